package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/verify"
)

const (
	// maxImage is what the image may hold, in bytes: bare Caddy holds 58 MB.
	maxImage = 70_000_000
	// maxIdle is what the process may use while nothing happens, in KiB.
	maxIdle = 80 << 10
)

// imageRun is a container beside its apps, and what it has acknowledged.
type imageRun struct {
	podman
	url          string
	app, express *proctest.Process

	mu    sync.Mutex
	acked map[string]imageEvent // by id
}

type imageEvent struct {
	typ  string
	body []byte
}

// TestImage builds the image and runs it beside two apps: what it said 200 to
// arrives after it was cut off from its app, killed, stopped and replaced.
func TestImage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds an image")
	}
	p := newPodman(t)
	for _, version := range []string{"one", "two"} {
		p.in("../..", "make", "image", "ENGINE=podman", "IMAGE="+p.image(version), "VERSION="+version)
	}
	p.checkImage()
	listen := proctest.FreeAddress(t)
	r := &imageRun{podman: p, url: "http://" + listen + "/webhooks/inbox", acked: make(map[string]imageEvent)}
	r.app, r.express = p.startApp(), p.startExpress()
	gate := p.runGate("one", listen)

	p.do("exec", p.gate(), "/inboxgate", "health")
	p.do("exec", p.gate(), "/inboxgate", "health", "--ready")
	if out := p.do("exec", p.gate(), "inboxgate", "routes", "list"); !strings.Contains(out, "default") || !strings.Contains(out, event.TypeMessageRead) {
		t.Errorf("the operator's socket is not found in the image: %s", out)
	}
	if used := p.resident(p.gate()); used > maxIdle {
		t.Errorf("%d KiB in memory while idle, at most %d wanted", used, maxIdle)
	} else {
		t.Logf("%d KiB in memory while idle", used)
	}
	r.post(20)
	r.arrive("at once")

	r.cutOff(func() { r.post(20) })
	r.arrive("after the app was cut off")

	r.cutOff(func() {
		r.post(20)
		r.killUnderLoad(gate)
		gate = p.again()
	})
	r.arrive("after a kill")

	r.cutOff(func() {
		r.post(20)
		r.stop(gate)
		gate = p.again()
	})
	r.arrive("after a stop")

	r.cutOff(func() {
		r.post(20)
		r.stop(gate)
		p.do("rm", p.gate())
		gate = p.runGate("two", listen)
	})
	if got := p.inspect(p.gate(), `index .Config.Labels "org.opencontainers.image.version"`); got != "two" {
		t.Errorf("version %q runs", got)
	}
	r.arrive("after an upgrade")
	r.repeatNothing()
	r.stop(gate)
}

// checkImage looks at what the image says of itself.
func (p podman) checkImage() {
	p.t.Helper()
	var images []struct {
		Size         int64
		Architecture string
		Config       struct {
			User       string
			Volumes    map[string]any
			Entrypoint []string
			Labels     map[string]string
			Env        []string
		}
		HealthCheck struct{ Test []string }
	}
	if err := json.Unmarshal([]byte(p.do("image", "inspect", p.image("one"))), &images); err != nil {
		p.t.Fatal(err)
	}
	i := images[0]
	p.t.Logf("%d bytes, %s", i.Size, i.Architecture)
	if i.Size > maxImage {
		p.t.Errorf("the image has %d bytes, at most %d wanted", i.Size, maxImage)
	}
	_, volume := i.Config.Volumes["/data"]
	for what, ok := range map[string]bool{
		"user":        i.Config.User == "65532:65532",
		"volume":      volume && len(i.Config.Volumes) == 1,
		"entry point": strings.Join(i.Config.Entrypoint, " ") == "/inboxgate",
		"version":     i.Config.Labels["org.opencontainers.image.version"] == "one",
		"licence":     i.Config.Labels["org.opencontainers.image.licenses"] == "Apache-2.0",
		"health":      strings.Join(i.HealthCheck.Test, " ") == "CMD /inboxgate health",
	} {
		if !ok {
			p.t.Errorf("wrong %s: %+v", what, i)
		}
	}
}

// sendOne posts a new event and keeps it if the answer was 200.
func (r *imageRun) sendOne(typ string) bool {
	e, err := event.Sample(typ, time.Now(), nil)
	if err != nil {
		r.t.Error(err)
		return false
	}
	body, err := e.Marshal()
	if err != nil {
		r.t.Error(err)
		return false
	}
	if status, answered := r.try(body); !answered || status != http.StatusOK {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acked[e.ID] = imageEvent{typ, body}
	return true
}

// try sends a body as the platform does, and tells whether there was an answer.
func (r *imageRun) try(body []byte) (status int, answered bool) {
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		r.t.Error(err)
		return 0, false
	}
	req.Close = true // The next container has the same address.
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(verify.Header, verify.Sign([]byte(newSecret), body))
	res, err := (&http.Client{Timeout: proctest.Patience}).Do(req)
	if err != nil {
		return 0, false // The container may be gone.
	}
	defer res.Body.Close()
	return res.StatusCode, true
}

// post sends events for both apps, all of which must be taken.
func (r *imageRun) post(n int) {
	r.t.Helper()
	for i := range n {
		typ := event.TypeMessageRead
		if i%2 == 0 {
			typ = event.TypeMessageFailed
		}
		if !r.sendOne(typ) {
			r.t.Fatalf("event %d of %d was not taken", i+1, n)
		}
	}
}

// arrive waits until everything acknowledged so far has reached its app.
func (r *imageRun) arrive(when string) {
	r.t.Helper()
	for id, e := range r.acked {
		if e.typ == event.TypeMessageRead {
			r.express.Await(r.t, " "+id+" ", 1)
		} else {
			r.app.Await(r.t, " "+id+" ", 1)
		}
	}
	r.t.Logf("%d events have arrived %s", len(r.acked), when)
}

// cutOff takes the small app from the network while meanwhile runs.
func (r *imageRun) cutOff(meanwhile func()) {
	r.t.Helper()
	r.do("network", "disconnect", r.name, r.podman.app())
	before := r.app.Output()
	meanwhile()
	if r.app.Output() != before {
		r.t.Error("events went to an app that was cut off")
	}
	r.do("network", "connect", r.name, r.podman.app())
}

// killUnderLoad kills the container while events are being sent.
func (r *imageRun) killUnderLoad(gate *proctest.Process) {
	r.t.Helper()
	var senders sync.WaitGroup
	enough := make(chan struct{}, 4*10)
	for range 4 {
		senders.Go(func() {
			for r.sendOne(event.TypeMessageFailed) {
				select {
				case enough <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 10 {
		select {
		case <-enough:
		case <-time.After(proctest.Patience):
			r.t.Fatal("nothing is taken")
		}
	}
	r.do("kill", "--signal", "KILL", r.gate())
	senders.Wait()
	gate.Wait(r.t)
	if code := r.inspect(r.gate(), ".State.ExitCode"); code != strconv.Itoa(128+9) {
		r.t.Errorf("a kill ends with exit code %s", code)
	}
}

// stop stops the container as an engine does, with time to end.
func (r *imageRun) stop(gate *proctest.Process) {
	r.t.Helper()
	r.do("stop", "--time", "30", r.gate())
	gate.Wait(r.t)
	if code := r.inspect(r.gate(), ".State.ExitCode"); code != "0" {
		r.t.Errorf("a stop ends with exit code %s", code)
	}
}

// repeatNothing sends everything again, of which nothing is new.
func (r *imageRun) repeatNothing() {
	r.t.Helper()
	for _, e := range r.acked {
		wantPost(r.t, r.url, e.body, newSecret, http.StatusOK, "duplicate")
	}
}
