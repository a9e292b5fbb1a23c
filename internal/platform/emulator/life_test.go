package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{Speed: -1}, {Speed: maxSpeed * 2}, {MaxInFlight: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Key()) < 40 {
		t.Errorf("its own key is %d characters", len(e.Key()))
	}
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Error(err)
	}
	e.Start() // does nothing any more
	if rec := serve(e, "GET", "/v1/webhooks", ""); rec.Code != http.StatusServiceUnavailable {
		t.Errorf("closed: %d", rec.Code)
	}
	if _, err := e.Send(SendRequest{}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// Close waits for what runs, and what it cuts off does not count.
func TestCloseInTheMiddle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Transport: wire(func(r *http.Request) (int, error) {
			<-r.Context().Done()
			return 0, r.Context().Err()
		})})
		hook(t, e, "http://receiver.test")
		send(t, e, SendRequest{Count: 100, Rate: 10, Duplicates: 0.5})
		time.Sleep(2 * time.Second)
		waited := make(chan error)
		go func() { waited <- e.Wait(context.Background()) }()
		synctest.Wait()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := <-waited; !errors.Is(err, ErrClosed) {
			t.Errorf("Wait: %v", err)
		}
		if c := e.Counts(); c.Attempts != 0 || c.Pending != c.Events || c.Events == 0 || c.InFlight != 0 {
			t.Errorf("%+v", c)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Transport: wire(func(*http.Request) (int, error) { return 500, nil })})
		hook(t, e, "http://receiver.test")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := e.SendAll(ctx, SendRequest{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestReset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		status := 500
		e := open(t, Options{Transport: wire(func(r *http.Request) (int, error) {
			if r.URL.Path == "/hangs" {
				<-r.Context().Done()
				return 0, r.Context().Err()
			}
			return status, nil
		})})
		w := hook(t, e, "http://receiver.test")
		hanging := hook(t, e, "http://receiver.test/hangs")
		began := e.Now()
		send(t, e, SendRequest{Count: 1000, Rate: 100, WebhookID: w.ID, BadSignature: 0.5})
		send(t, e, SendRequest{Count: 200, WebhookID: hanging.ID, Duplicates: 1})
		e.Advance(time.Hour)
		time.Sleep(time.Second)
		if rec := serve(e, "POST", "/_emulator/reset", ""); rec.Code != http.StatusNoContent {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		if err := e.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := e.State()
		if s.Counts != (Counts{}) || len(s.Sent)+len(s.Jobs) != 0 || len(s.Webhooks) != 2 || s.Now.Sub(began) > time.Minute {
			t.Errorf("%+v, %d sent, %d jobs", s.Counts, len(s.Sent), len(s.Jobs))
		}
		if logs, err := e.Logs(w.ID); err != nil || len(logs) != 0 {
			t.Errorf("logs %v, %v", logs, err)
		}
		status = 200
		if _, err := e.SendAll(t.Context(), SendRequest{Count: 10, WebhookID: w.ID}); err != nil || e.Counts().Delivered != 10 {
			t.Errorf("afterwards: %v, %+v", err, e.Counts())
		}
	})
}

// A deleted webhook gets nothing more; an updated one gets its retries at the
// new address.
func TestDeleteAndUpdateInTheMiddle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hosts := map[string]int{}
		var mu sync.Mutex
		e := open(t, Options{Transport: wire(func(r *http.Request) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			hosts[r.URL.Host]++
			if r.URL.Host == "new.test" {
				return 200, nil
			}
			return 500, nil
		})})
		gone, moved := hook(t, e, "http://gone.test"), hook(t, e, "http://old.test")
		send(t, e, SendRequest{Count: 50})
		synctest.Wait()
		if err := e.Delete(gone.ID); err != nil {
			t.Fatal(err)
		}
		address := "http://new.test"
		if _, err := e.update(moved.ID, patch{URL: &address}); err != nil {
			t.Fatal(err)
		}
		if err := e.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if hosts["gone.test"] != 50 || hosts["old.test"] != 50 || hosts["new.test"] != 50 {
			t.Errorf("requests: %v", hosts)
		}
		want := Counts{Events: 50, Deliveries: 100, Cancelled: 50, Delivered: 50, Attempts: 150, Succeeded: 50}
		if c := e.Counts(); c != want {
			t.Errorf("counts\n got %+v\nwant %+v", c, want)
		}
	})
}

func TestEventsGoToWhoTakesTheirType(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Transport: wire(func(*http.Request) (int, error) { return 200, nil })})
		if _, err := e.Send(SendRequest{}); err == nil {
			t.Error("events for no webhook are taken")
		}
		one, err := e.Create(platform.Registration{URL: "http://a.test", Events: []string{event.TypeMessageRead}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Send(SendRequest{Type: event.TypeMessageFailed}); err == nil {
			t.Error("a type that nobody takes is taken")
		}
		all := hook(t, e, "http://b.test")
		for _, s := range []SendRequest{
			{Count: 40}, {Count: 5, Type: event.TypeMessageFailed}, {Count: 3, WebhookID: one.ID}, {Count: 2, WebhookID: one.ID, Types: []string{event.TypeMessageFailed}},
		} {
			if _, err := e.SendAll(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		got := map[string]int{}
		for _, sent := range e.State().Sent {
			got[sent.WebhookID+sent.Type]++
		}
		read := got[all.ID+event.TypeMessageRead]
		if got[one.ID+event.TypeMessageRead] != read+3 || got[one.ID+event.TypeMessageFailed] != 2 || read == 0 || got[all.ID+event.TypeMessageFailed] < 5 {
			t.Errorf("got %v", got)
		}
	})
}

// Ten thousand events with every fault, to a receiver that fails a third of the
// time, are counted to the last one and do not fill the memory. It does not run
// beside others: their memory would count too.
func TestTenThousandEvents(t *testing.T) {
	const count = 10_000
	var mu sync.Mutex
	n := 0
	e := open(t, Options{Speed: maxSpeed, Transport: wire(func(r *http.Request) (int, error) {
		buf := make([]byte, 32<<10)
		for {
			if _, err := r.Body.Read(buf); errors.Is(err, errCut) {
				return 0, err
			} else if err != nil {
				break
			}
		}
		mu.Lock()
		defer mu.Unlock()
		n++
		if n%3 == 0 {
			return 503, nil
		}
		return 200, nil
	})})
	hook(t, e, "http://receiver.test")
	send(t, e, SendRequest{
		Count: count, Duplicates: 0.1, Reorder: 0.1, Cut: 0.05, Slow: 0.05, Drip: "1ms", UnknownTypes: 0.05, Odd: 0.05,
		OddKinds: []string{"no_id", "large"}, BadSignature: 0.05, WrongSecret: 0.05,
	})
	wait(t, e)
	c := e.Counts()
	if c.Events != count || c.Delivered+c.Failed != count || c.Pending != 0 || c.Forgeries != count/10 || c.Succeeded != c.Delivered {
		t.Errorf("%+v", c)
	}
	if c.Delivered < count*9/10 || c.Duplicates < count*9/100 || c.Attempts < count+count/20 {
		t.Errorf("%+v", c)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	t.Logf("%d KiB in use; %+v", m.HeapAlloc>>10, c)
	if m.HeapAlloc > 40<<20 {
		t.Errorf("%d MiB in use", m.HeapAlloc>>20)
	}
	runtime.KeepAlive(e)
}

func TestOldItemsAreForgotten(t *testing.T) {
	t.Parallel()
	e := open(t, Options{})
	e.mu.Lock()
	defer e.mu.Unlock()
	const over = maxKept/10 + 1
	for i := range maxKept + over {
		status := Delivered
		if i == 0 {
			status = Waiting
			e.round.counts.Pending = 1
		}
		e.keep(&delivery{serial: uint64(i), status: status})
	}
	e.keep(&delivery{status: Delivered})
	r := e.round
	if len(r.sent)+r.counts.Forgotten != maxKept+over+1 || r.counts.Forgotten < over-1 || r.sent[0].status != Waiting {
		t.Errorf("%d kept, %d forgotten", len(r.sent), r.counts.Forgotten)
	}
	h := &endpoint{}
	for n := range 3 * maxLogs {
		h.log(&delivery{}, Attempt{N: n})
	}
	if len(h.logs) > maxLogs+maxLogs/10 || h.logs[len(h.logs)-1].Attempt != 3*maxLogs-1 {
		t.Errorf("%d log entries", len(h.logs))
	}
}

// All that can be called is called at the same time.
func TestConcurrently(t *testing.T) {
	t.Parallel()
	e := open(t, Options{Speed: maxSpeed, Dir: t.TempDir(), Transport: wire(func(*http.Request) (int, error) { return 200, nil })})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 4 { // No more jobs than may run at a time.
				w, err := e.Create(platform.Registration{URL: fmt.Sprintf("http://r%d.test", i), Events: event.Types()})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := e.Send(SendRequest{Count: 20, WebhookID: w.ID, Duplicates: 0.5, BadSignature: 0.5}); err != nil {
					t.Error(err)
				}
				if _, err := e.Test(w.ID, event.TypeMessageRead); err != nil {
					t.Error(err)
				}
				e.Advance(time.Second)
				e.State()
				if _, err := e.Logs(w.ID); err != nil {
					t.Error(err)
				}
				if err := e.Delete(w.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wait(t, e)
	if c := e.Counts(); c.Deliveries != c.Delivered+c.Cancelled || len(e.List()) != 0 {
		t.Errorf("%+v", c)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	e := open(t, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- e.Serve(ctx, l) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + l.Addr().String() + "/_emulator/state?sent=false")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("got %s", resp.Status)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := e.Serve(t.Context(), l); err == nil {
		t.Error("a closed listener is no error")
	}
}

// The control over HTTP is the same as by calls.
func TestControl(t *testing.T) {
	t.Parallel()
	e := open(t, Options{Transport: wire(func(*http.Request) (int, error) { return 500, nil })})
	w := hook(t, e, "http://receiver.test")
	api := httptest.NewServer(e)
	t.Cleanup(api.Close)
	status, out := curl(t, "POST", api.URL+"/_emulator/send", testKey, `{"webhook_id":"`+w.ID+`","count":3,"seed":9}`)
	var j Job
	into(t, out, &j)
	if status != http.StatusAccepted || j.ID != "job_1" || j.Seed != 9 || j.Planned != 3 {
		t.Errorf("send: %d %s", status, out)
	}
	if err := e.until(t.Context(), func() bool { return e.round.counts.Attempts == 3 }); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if status, out = curl(t, "POST", api.URL+"/_emulator/advance", testKey, `{"by":"2h"}`); status != http.StatusOK {
			t.Fatalf("advance: %d %s", status, out)
		}
		if err := e.until(t.Context(), func() bool { return e.round.counts.Attempts == 3*(i+2) }); err != nil {
			t.Fatal(err)
		}
	}
	status, out = curl(t, "GET", api.URL+"/_emulator/state", testKey, "")
	var s State
	into(t, out, &s)
	if status != http.StatusOK || s.Counts.Failed != 3 || len(s.Sent) != 3 || len(s.Sent[0].Attempts) != 6 || len(s.Jobs) != 1 || !s.Jobs[0].Done {
		t.Errorf("state: %d %.400s", status, out)
	}
	if s.Webhooks[0].Secret != "" {
		t.Error("the state tells a secret")
	}
}
