package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
)

// totals is the documentation's column "Total Time".
var totals = []time.Duration{
	0, 30 * time.Second, 2*time.Minute + 30*time.Second, 10*time.Minute + 30*time.Second,
	42*time.Minute + 30*time.Second, 2*time.Hour + 42*time.Minute + 30*time.Second,
}

func TestRetriesFollowTheDocumentedTable(t *testing.T) {
	t.Parallel()
	for _, speed := range []float64{1, 600} {
		for failures := range platform.Attempts + 1 {
			t.Run(fmt.Sprintf("speed %v, %d failures", speed, failures), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { retryTable(t, speed, failures) })
			})
		}
	}
}

func retryTable(t *testing.T, speed float64, failures int) {
	var at []time.Duration
	var bodies [][]byte
	var began time.Time
	e := open(t, Options{Speed: speed, Transport: wire(func(r *http.Request) (int, error) {
		body, err := io.ReadAll(r.Body)
		at, bodies = append(at, time.Since(began)), append(bodies, body)
		if len(at) <= failures {
			return http.StatusInternalServerError, err
		}
		return http.StatusOK, err
	})})
	w := hook(t, e, "http://receiver.test/hook")
	began = time.Now()
	sent, err := e.Test(w.ID, event.TypeMessageRead)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(24 * time.Hour) // nothing more may come
	synctest.Wait()

	n := min(failures+1, platform.Attempts)
	var want []time.Duration
	for _, total := range totals[:n] {
		want = append(want, time.Duration(float64(total)/speed))
	}
	if !slices.Equal(at, want) {
		t.Errorf("arrived at %v, want %v", at, want)
	}
	for _, body := range bodies[1:] {
		if !bytes.Equal(body, bodies[0]) {
			t.Error("an attempt had other bytes")
		}
	}
	logs, err := e.Logs(w.ID)
	if err != nil || len(logs) != n {
		t.Fatalf("%d log entries, want %d: %v", len(logs), n, err)
	}
	slices.Reverse(logs)
	for i, l := range logs {
		entry := platform.LogEntry{
			EventID: sent.EventID, EventType: event.TypeMessageRead, Attempt: i + 1, Status: platform.LogRetrying,
			AttemptedAt: stamp(began.Add(want[i])), ResponseStatus: 500,
		}
		switch {
		case i == failures:
			entry.Status, entry.ResponseStatus = platform.LogDelivered, 200
		case i == platform.Attempts-1:
			entry.Status = platform.LogFailed
		default:
			entry.NextAttemptAt = stamp(began.Add(time.Duration(float64(totals[i+1]) / speed)))
		}
		if l != entry {
			t.Errorf("log:\n got %+v\nwant %+v", l, entry)
		}
	}
	counts := Counts{Events: 1, Deliveries: 1, Attempts: n, Delivered: 1, Succeeded: 1}
	if failures == platform.Attempts {
		counts.Delivered, counts.Succeeded, counts.Failed = 0, 0, 1
	}
	if c := e.Counts(); c != counts {
		t.Errorf("counts %+v, want %+v", c, counts)
	}
}

// The same over real HTTP: how early an attempt came can be judged on a busy
// machine, how late it came cannot.
func TestRetriesOverHTTP(t *testing.T) {
	t.Parallel()
	const speed = 100_000 // the last delay is 72 ms
	for failures := range platform.Attempts + 1 {
		t.Run(fmt.Sprint(failures), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var at []time.Time
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				if at = append(at, time.Now()); len(at) <= failures {
					w.WriteHeader(http.StatusBadGateway)
				}
			}))
			t.Cleanup(srv.Close)
			e := open(t, Options{Speed: speed})
			w := hook(t, e, srv.URL)
			if _, err := e.Test(w.ID, event.TypeMessageRead); err != nil {
				t.Fatal(err)
			}
			wait(t, e)
			mu.Lock()
			defer mu.Unlock()
			if n := min(failures+1, platform.Attempts); len(at) != n {
				t.Fatalf("%d attempts arrived, want %d", len(at), n)
			}
			for i := 1; i < len(at); i++ {
				if gap, least := at[i].Sub(at[i-1]), schedule[i]/speed; gap < least {
					t.Errorf("attempt %d came %v after the one before, want at least %v", i+1, gap, least)
				}
			}
		})
	}
}

func TestTimeoutIsNotCompressed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var took []time.Duration
		e := open(t, Options{Speed: 600, Transport: wire(func(r *http.Request) (int, error) {
			began := time.Now()
			<-r.Context().Done()
			took = append(took, time.Since(began))
			return 0, r.Context().Err()
		})})
		w := hook(t, e, "http://receiver.test")
		began := time.Now()
		if _, err := e.Test(w.ID, event.TypeMessageRead); err != nil {
			t.Fatal(err)
		}
		if err := e.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := 6*10*time.Second + totals[5]/600; time.Since(began) != want {
			t.Errorf("all took %v, want %v", time.Since(began), want)
		}
		logs, _ := e.Logs(w.ID)
		for i, l := range logs {
			if took[i] != 10*time.Second || l.DurationMS != 10_000 || l.Error != "no answer within 10s" || l.ResponseStatus != 0 {
				t.Errorf("%v: %+v", took[i], l)
			}
		}
	})
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		e := open(t, Options{Transport: wire(func(*http.Request) (int, error) { n++; return 500, nil })})
		w := hook(t, e, "http://receiver.test")
		began := time.Now()
		if _, err := e.Test(w.ID, event.TypeMessageRead); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i, delay := range schedule[1:] {
			e.Advance(delay - time.Millisecond)
			synctest.Wait()
			if n != i+1 {
				t.Fatalf("%d attempts before it was time for attempt %d", n, i+2)
			}
			e.Advance(time.Millisecond)
			synctest.Wait()
			if n != i+2 {
				t.Fatalf("%d attempts, want %d", n, i+2)
			}
		}
		if !time.Now().Equal(began) {
			t.Errorf("it took %v", time.Since(began))
		}
		logs, _ := e.Logs(w.ID)
		if span := logs[0].AttemptedAt.Sub(logs[5].AttemptedAt); span != totals[5] {
			t.Errorf("the logs span %v, want %v", span, totals[5])
		}
		if e.Advance(-time.Hour); e.Now().Before(began.Add(totals[5])) {
			t.Error("the clock went back")
		}
	})
}

// One that hangs has its own bound and timeout.
func TestHangingReceiverStopsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hanging, most := 0, 0
		var mu sync.Mutex
		e := open(t, Options{Transport: wire(func(r *http.Request) (int, error) {
			if r.URL.Host != "hangs.test" {
				return 200, nil
			}
			mu.Lock()
			hanging++
			most = max(most, hanging)
			mu.Unlock()
			<-r.Context().Done()
			mu.Lock()
			hanging--
			mu.Unlock()
			return 0, errors.New("hung")
		})})
		bad, good := hook(t, e, "http://hangs.test"), hook(t, e, "http://good.test")
		began := time.Now()
		send(t, e, SendRequest{WebhookID: bad.ID, Count: 500})
		synctest.Wait()
		send(t, e, SendRequest{WebhookID: good.ID, Count: 500})
		synctest.Wait()
		if c := e.Counts(); c.Delivered != 500 || c.InFlight != defaultInFlight || !time.Now().Equal(began) {
			t.Errorf("after %v: %+v", time.Since(began), c)
		}
		if most != defaultInFlight {
			t.Errorf("%d requests at once to the one that hangs, want %d", most, defaultInFlight)
		}
	})
}
