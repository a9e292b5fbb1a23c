package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
	"github.com/inboxgate/inboxgate/verify"
)

// numbered is what the events of this file have in their data: the nth of a message.
type numbered struct {
	Message string `json:"message_id"`
	N       int    `json:"n"`
}

func numberOf(a testapp.Arrival) (d numbered) {
	var e struct{ Data numbered }
	_ = json.Unmarshal(a.Body, &e) // Ours.
	return e.Data
}

// failing answers one request in three with 500, after a moment's work, and notes where
// two events of a message are with it at once.
type failing struct {
	mu       sync.Mutex
	rand     *rand.Rand               // Guarded by mu, as all that follows.
	at       map[string]*http.Request // The request of each message that is worked on.
	together []string
	taken    map[string]bool // The events that were answered 200.
	want     int             // How many taken is to have.
	all      chan struct{}   // Closed when it has.
}

func newFailing(want int) *failing {
	return &failing{
		rand: rand.New(rand.NewPCG(1, 2)), at: make(map[string]*http.Request), //nolint:gosec // Not a secret.
		taken: make(map[string]bool), want: want, all: make(chan struct{}),
	}
}

func (f *failing) answer(w http.ResponseWriter, r *http.Request, a testapp.Arrival) {
	d := numberOf(a)
	f.mu.Lock()
	if other := f.at[d.Message]; other != nil && other.Context().Err() == nil {
		f.together = append(f.together, fmt.Sprintf("%s while another is worked on", a.ID))
	}
	f.at[d.Message] = r
	fails, work := f.rand.IntN(3) == 0, time.Duration(f.rand.IntN(3))*time.Millisecond
	f.mu.Unlock()
	select {
	case <-time.After(work):
	case <-r.Context().Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at[d.Message] == r {
		delete(f.at, d.Message)
	}
	if fails {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if !f.taken[a.ID] {
		f.taken[a.ID] = true
		if len(f.taken) == f.want {
			close(f.all)
		}
	}
}

// overtaken lists the events that came after a later one of their message.
func overtaken(all []testapp.Arrival) (bad []string) {
	newest := make(map[string]int)
	for _, a := range all {
		d := numberOf(a)
		if d.N < newest[d.Message] {
			bad = append(bad, fmt.Sprintf("%s number %d after %d", d.Message, d.N, newest[d.Message]))
		}
		newest[d.Message] = max(newest[d.Message], d.N)
	}
	return bad
}

// sendMessage sends the events of one message, each once the one before is accepted, as
// long as that takes.
func sendMessage(ctx context.Context, url, message string, events int) error {
	for n := 1; n <= events; n++ {
		body := fmt.Appendf(nil, `{"id":"%s-%d","type":"message.read","created_at":%q,"data":{"n":%d,"message_id":%q}}`,
			message, n, time.Now().UTC().Format(time.RFC3339), n, message)
		for {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
			if err != nil {
				return err
			}
			r.Header.Set(verify.Header, verify.Sign([]byte(newSecret), body))
			res, err := http.DefaultClient.Do(r)
			if err == nil {
				_ = res.Body.Close()
				if res.StatusCode == http.StatusOK {
					break
				}
			}
			select { // The gate was killed, and comes back.
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("sending %s number %d: %w", message, n, ctx.Err())
			}
		}
	}
	return nil
}

// Of 50 messages no event overtakes an earlier one of its message, though the app fails
// at random, attempts are repeated, and the gate is killed in the middle. A route
// without `order` beside it, on the same app's whims, shows that the test sees it. And
// a route with an `if` gets what it is true of, and nothing else.
func TestOrderAndIf(t *testing.T) {
	t.Parallel()
	const messages, events = 50, 12
	ordered, free := newFailing(messages*events), newFailing(messages*events)
	inOrder, anyhow, some := testapp.New(t, ordered.answer), testapp.New(t, free.answer), testapp.New(t, nil)
	dir, listen := t.TempDir(), proctest.FreeAddress(t)
	const retries = "retry 5ms 10ms 20ms 40ms 80ms 160ms 320ms 640ms 1s 1s 1s 1s 1s 1s 1s"
	mount(t, dir, fmt.Sprintf(`{
	admin off
	inbox {
		data_dir %s
	}
}
http://%s {
	inbox_webhook /webhooks/inbox {
		on * %s {
			name ordered
			order message_id
			%s
		}
		on * %s {
			name free
			%[4]s
		}
		on message.* %[6]s {
			name some
			if data.n %% 5 == 0 && data.message_id.endsWith("7")
		}
	}
}
`, filepath.Join(dir, "d"), listen, inOrder.Addr, retries, anyhow.Addr, some.Addr))
	serve := func() *proctest.Process {
		p := proctest.Start(t, command(t, dir, []string{"INBOX_WEBHOOK_SECRET=" + newSecret}))
		p.Await(t, started, 1)
		return p
	}
	p := serve()
	ctx, cancel := context.WithTimeout(t.Context(), proctest.Patience)
	defer cancel()
	errs := make(chan error, messages)
	for m := range messages {
		go func() {
			errs <- sendMessage(ctx, "http://"+listen+"/webhooks/inbox", fmt.Sprintf("msg_%d", m), events)
		}()
	}
	inOrder.Await(t, "first third", func() bool { return inOrder.Events() > messages*events/3 })
	kill(t, p)
	p = serve()
	for range messages {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	for what, f := range map[string]*failing{"in order": ordered, "without order": free} {
		select {
		case <-f.all:
		case <-ctx.Done():
			f.mu.Lock()
			t.Errorf("%s: %d of %d events were taken", what, len(f.taken), f.want)
			f.mu.Unlock()
		}
	}
	some.Await(t, "event of those that the condition takes", func() bool { return some.Events() >= messages/10*2 })
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	ordered.mu.Lock()
	defer ordered.mu.Unlock()
	if bad := append(overtaken(inOrder.Arrivals()), ordered.together...); len(bad) > 0 {
		t.Errorf("out of order %d times: %s", len(bad), strings.Join(bad[:min(len(bad), 5)], "; "))
	}
	if bad := overtaken(anyhow.Arrivals()); len(bad) == 0 {
		t.Error("without order nothing is overtaken either: the test cannot see it")
	}
	for _, a := range some.Arrivals() {
		if d := numberOf(a); d.N%5 != 0 || !strings.HasSuffix(d.Message, "7") {
			t.Errorf("the condition is not true of %+v", d)
		}
	}
	if n := some.Events(); n != messages/10*2 {
		t.Errorf("%d events came by the condition", n)
	}
}

// kill ends a process as a crash does.
func kill(t *testing.T, p *proctest.Process) {
	t.Helper()
	p.Signal(t, os.Kill)
	p.Wait(t)
}
