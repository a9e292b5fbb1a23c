package faults

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

func pid(l *rig.Life) string { return strconv.Itoa(l.PID) }

// notRefused is for reloads. When Caddy replaces its servers, the kernel resets
// connections that the old listener had not accepted yet, and the old server
// closes those that were idle: a sender sends again, and no answer is wrong.
var notRefused = history.Rules{NotRefused: true}

// hanging is a route whose app hangs until release is closed.
func hanging(name, types string, release <-chan struct{}) rig.Route {
	return rig.Route{
		Name: name, Types: types, Lines: "timeout 5m",
		Behave: func(w http.ResponseWriter, r *http.Request, a *history.Attempt) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
			rig.Answer(http.StatusOK, "OK")(w, r, a)
		},
	}
}

// TestFaultReloadStorm reloads a process under load, while one app hangs with
// attempts that outlive every reload.
func TestFaultReloadStorm(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	r := rig.New(t, rig.Options{Rules: notRefused, Routes: append(rig.DefaultRoutes(), hanging("hangs", event.TypeMessageAction, release))})
	r.Start()
	stop := r.Background(0)
	rounds := rig.Rounds(20, 100)
	for n := range rounds {
		r.AwaitAcked(10)
		if !r.Reload(r.Caddyfile(fmt.Sprintf("max_body %dKiB", 512+n))) {
			t.Fatalf("reload %d was refused", n+1)
		}
	}
	r.AwaitAcked(10)
	stop()
	if n := len(r.Log.Attempts("hangs")); n == 0 {
		t.Error("no attempt was running")
	}
	close(release)
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	r.Report([]int{16}, "reloads under load, one app hanging", rounds)
}

// TestFaultReloadFails has reloads fail at every stage: in the text, while
// modules are made ready, and when another app cannot start. What runs goes on.
func TestFaultReloadFails(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{Rules: notRefused, Rate: 200})
	l := r.Start()
	stop := r.Background(0)
	// The last ones do without the routes as well: they must not be lost.
	bare := fmt.Sprintf("\tinbox_webhook %s {\n\t\ton nothing.of.ours {\n\t\t\tname all\n\t\t\thandle {\n\t\t\t\trespond 500\n\t\t\t}\n\t\t}\n\t\ttypes nothing.of.ours\n\t}\n", rig.Path)
	busy := r.App("all").Addr
	failing := []string{
		r.Caddyfile("no_such_word"),
		r.Caddyfile("") + "http://127.0.0.1:1 {\n\treverse_proxy {\n\t\tlb_policy no_such_policy\n\t}\n}\n",
		r.Caddyfile("") + "https://127.0.0.1:1 {\n\ttls /nowhere/cert /nowhere/key\n}\n",
		r.Caddyfile("max_body 2MiB") + "http://" + busy + " {\n\trespond 200\n}\n",
		r.Site(bare) + "http://" + busy + " {\n\trespond 200\n}\n",
	}
	rounds := rig.Rounds(2, 20)
	for range rounds {
		for i, text := range failing {
			r.AwaitAcked(10)
			if r.Reload(text) {
				t.Fatalf("reload %d was taken", i+1)
			}
			r.AwaitArrivals(10)
		}
	}
	stop()
	if r.Find() != l.PID {
		t.Error("another process serves")
	}
	if !r.Reload(r.Caddyfile("max_body 3MiB")) {
		t.Error("a good reload was refused")
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	r.Report([]int{17}, "reload that fails in another module", rounds*len(failing))
}

// TestFaultReloadRemoves takes the directive out of a process under load, and
// puts it back.
func TestFaultReloadRemoves(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{Rate: 200, Rules: history.Rules{NotRefused: true, Statuses: []int{http.StatusNotFound}}})
	r.Start()
	without := r.Site("")
	from, to := strings.Index(without, "\tinbox {"), strings.Index(without, "http://")
	without = without[:from] + "}\n\n" + without[to:]
	rounds := rig.Rounds(4, 40)
	for n := range rounds {
		if n%2 == 1 {
			r.App("oncall").Stop() // So that something waits.
		}
		stop := r.Background(0)
		r.AwaitAcked(30)
		if !r.Reload(without) {
			t.Fatalf("round %d: the removal was refused", n+1)
		}
		stop()
		if a := r.Persist(t.Context(), r.Event(event.TypeMessageRead)); a.Status != http.StatusNotFound {
			t.Errorf("round %d: answered %+v without the directive", n+1, a)
		}
		// Open waits for the last attempts to end, and fails if the store is held.
		s, err := sqlite.Open(r.Data, sqlite.Options{})
		if err != nil {
			t.Fatalf("round %d: the store was not closed: %v", n+1, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		r.StartApps()
		if !r.Reload(r.Caddyfile("")) {
			t.Fatalf("round %d: the return was refused", n+1)
		}
		r.AwaitAll()
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	r.Report([]int{18}, "reload that removes the directive, then returns it", rounds)
}
