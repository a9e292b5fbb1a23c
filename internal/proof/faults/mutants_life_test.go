//go:build linux

package faults

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// comesUp starts the next life of a build that may not be able to. What it then
// does not deliver is lost.
func comesUp(r *rig.Rig, patience time.Duration) bool {
	return r.Begin().Until(patience, func(output string) bool {
		return strings.Contains(output, "serving initial configuration")
	})
}

// oneRoute is a rig with the route "all" alone.
func oneRoute(t *testing.T, binary string, o rig.Options, route rig.Route) *rig.Rig {
	t.Helper()
	route.Name, route.Types = "all", "message.*"
	o.Binary, o.Routes = binary, []rig.Route{route}
	return rig.New(t, o)
}

// sends sends n new events, one after the other, and returns those with a 200.
func sends(t *testing.T, r *rig.Rig, n int) (acked []history.Event) {
	t.Helper()
	for range n {
		e := r.Event(event.TypeMessageRead)
		if r.Send(t.Context(), e).Status == http.StatusOK {
			acked = append(acked, e)
		}
	}
	if len(acked) == 0 {
		t.Fatal("nothing was acknowledged")
	}
	return acked
}

// killedAtAnswer kills the process the moment it has answered.
var killedAtAnswer = scenario{name: "killed at the answer", run: func(t *testing.T, binary string, patience time.Duration) history.Report {
	r := oneRoute(t, binary, rig.Options{}, rig.Route{})
	r.StopApps()
	r.Start()
	sends(t, r, 10)
	r.Kill()
	r.StartApps()
	if comesUp(r, patience) {
		r.Log.AwaitAll(patience)
	}
	return r.Log.Check(history.Rules{})
}}

// killedAndSentAgain kills the process and sends copies to the next.
var killedAndSentAgain = scenario{name: "killed, and sent again", run: func(t *testing.T, binary string, patience time.Duration) history.Report {
	r := oneRoute(t, binary, rig.Options{}, rig.Route{})
	r.Start()
	acked := sends(t, r, 10)
	r.Log.AwaitAll(patience)
	r.Kill()
	r.Start()
	r.SendAll(t.Context(), acked)
	r.Log.AwaitAll(patience)
	return r.Log.Check(history.Rules{})
}}

// restarted stops the process cleanly once everything was delivered.
var restarted = scenario{name: "restarted", run: func(t *testing.T, binary string, patience time.Duration) history.Report {
	r := oneRoute(t, binary, rig.Options{}, rig.Route{})
	r.Start()
	sends(t, r, 10)
	r.Log.AwaitAll(patience)
	r.Stop()
	r.Start()
	sends(t, r, 1) // What waited in the store is older, and goes first.
	r.Log.AwaitAll(patience)
	return r.Log.Check(history.Rules{})
}}

// unsigned sends events that nobody has signed, or not so.
var unsigned = scenario{name: "unsigned", run: func(t *testing.T, binary string, patience time.Duration) history.Report {
	r := oneRoute(t, binary, rig.Options{}, rig.Route{})
	r.Start()
	for _, signature := range []string{"", "sha256=", strings.Repeat("0", 64), rig.Sign([]byte("another body"))} {
		e := r.Event(event.TypeMessageRead)
		e.Signature, e.Forged = signature, true
		r.Send(t.Context(), e)
	}
	sends(t, r, 1)
	r.Log.AwaitAll(patience)
	return r.Log.Check(history.Rules{Statuses: []int{http.StatusUnauthorized}})
}}

// reloadedWithQueue reloads while one attempt runs and others wait for its place.
var reloadedWithQueue = scenario{name: "reloaded with a queue", run: func(t *testing.T, binary string, patience time.Duration) history.Report {
	goOn := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(letGo)
	r := oneRoute(t, binary, rig.Options{}, rig.Route{
		Lines: "max_in_flight 1",
		Behave: func(w http.ResponseWriter, req *http.Request, a *history.Attempt) {
			select {
			case <-goOn:
			case <-req.Context().Done():
			}
			rig.Answer(http.StatusOK, "OK")(w, req, a)
		},
	})
	r.Start()
	sends(t, r, 10)
	if !r.Log.Await(patience, func() bool { return r.Log.Arrivals(0) > 0 }) {
		t.Fatal("no attempt has begun")
	}
	if !r.Reload(r.Caddyfile("max_body 512KiB")) {
		t.Fatal("the reload failed")
	}
	letGo()
	r.Log.AwaitAll(patience)
	return r.Log.Check(history.Rules{})
}}

// failingApp fails the first two attempts of each event.
var failingApp = scenario{name: "failing app", run: func(t *testing.T, binary string, patience time.Duration) history.Report {
	r := oneRoute(t, binary, rig.Options{}, rig.Route{
		Retry: "1s 1s 1s",
		Behave: func(w http.ResponseWriter, req *http.Request, a *history.Attempt) {
			status := http.StatusOK
			if a.N <= 2 {
				status = http.StatusInternalServerError
			}
			rig.Answer(status, "said")(w, req, a)
		},
	})
	r.Start()
	sends(t, r, 5)
	r.Log.AwaitAll(patience)
	return r.Log.Check(history.Rules{Schedule: map[string][]time.Duration{"all": {time.Second, time.Second, time.Second}}})
}}
