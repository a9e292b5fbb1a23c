package event_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

const plainBody = `{"id":"evt_1","type":"message.read"}`

// Copies that come while the first is handled get its outcome: 200 if it is
// well, and else one of them is handled.
func TestHandlerCopiesWait(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprint("fails ", fails), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const copies = 20
				a := newApp(t, dedupe.New())
				release, answers := make(chan struct{}), make(chan string, copies)
				a.do = func(context.Context, event.Event) error {
					<-release
					if fails && a.calls.Load() == 1 {
						return errWork
					}
					return nil
				}
				for range copies {
					go func() { answers <- said(a.post(plainBody)) }()
				}
				synctest.Wait()
				a.wantCalls(t, 1)
				if len(answers) > 0 {
					t.Fatalf("%q before the outcome is known", <-answers)
				}
				close(release)
				got := map[string]int{}
				for range copies {
					got[<-answers]++
				}
				want := map[string]int{"200 accepted": 1, knownSame: copies - 1}
				if fails {
					want = map[string]int{"500": 1, "200 accepted": 1, knownSame: copies - 2}
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		})
	}
}

// The answer comes within the platform's 10 s whatever handle does. One that
// heeds its context can say why; one that does not goes on, and counts.
func TestHandlerAnswersInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, dedupe.New())
		begin := time.Now()
		a.do = func(ctx context.Context, _ event.Event) error {
			<-ctx.Done()
			return ctx.Err()
		}
		wantSaid(t, "heeds its context", a.post(plainBody), "500")
		if took := time.Since(begin); took != event.DefaultTimeout {
			t.Errorf("it took %v", took)
		}

		begin = time.Now()
		release := make(chan struct{})
		a.do = func(context.Context, event.Event) error {
			<-release
			return nil
		}
		w := a.post(plainBody)
		wantSaid(t, "ignores it", w, "503")
		if took := time.Since(begin); took >= 9*time.Second || w.Header().Get("Retry-After") == "" {
			t.Errorf("it took %v, with %v", took, w.Header())
		}
		go func() {
			time.Sleep(time.Second)
			close(release)
		}()
		wantSaid(t, "its copy", a.post(plainBody), knownSame)
		a.wantCalls(t, 2)
	})
}

// A sender that goes away does not end the work half way.
func TestHandlerSenderGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, dedupe.New())
		a.do = func(ctx context.Context, _ event.Event) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		a.post(plainBody, func(r *http.Request) { *r = *r.WithContext(ctx) })
		wantSaid(t, "its copy", a.post(plainBody), knownSame)
		a.wantCalls(t, 1)
	})
}

func TestHandlerFullMemory(t *testing.T) {
	t.Parallel()
	a := newApp(t, dedupe.NewMemory(time.Hour, 1, nil))
	wantSaid(t, "first", a.post(plainBody), "200 accepted")
	w := a.post(`{"id":"evt_2","type":"message.read"}`)
	wantSaid(t, "without a place", w, "503")
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	wantSaid(t, "copy", a.post(plainBody), knownSame)
	a.wantCalls(t, 1)
}

// Strangers cannot fill the log: of many refusals in a second one is written.
func TestHandlerRefusalsAreSampled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, dedupe.New())
		for range 3 {
			for range 100 {
				a.post(plainBody, func(r *http.Request) { r.Header.Del(verify.Header) })
			}
			time.Sleep(time.Second)
		}
		if n := strings.Count(a.log.String(), "request refused"); n != 3 {
			t.Errorf("%d lines in 3 s:\n%s", n, a.log)
		}
		if !strings.Contains(a.log.String(), verify.ErrMissing.Error()) {
			t.Errorf("the log does not say why:\n%s", a.log)
		}
	})
}

// pipes is a listener whose connections are in memory, so that their time is
// that of the test's bubble.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// A body that does not come gets 408 after 5 s, or when the server says so; one
// that came leaves no deadline to a handler that takes its time.
func TestHandlerSlowBody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ server, want time.Duration }{{0, 5 * time.Second}, {30 * time.Second, 5 * time.Second}, {2 * time.Second, 2 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			a := newApp(t, dedupe.New())
			a.do = func(context.Context, event.Event) error {
				time.Sleep(7 * time.Second)
				return nil
			}
			listener := make(pipes)
			around := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a.ServeHTTP(w, r)
				if w.Header().Get("X-Inbox-Result") != "" && r.Context().Err() != nil {
					t.Errorf("the request has ended before its answer: %v", r.Context().Err())
				}
			})
			s := &http.Server{Handler: around, ReadTimeout: c.server, ReadHeaderTimeout: time.Minute}
			go func() { _ = s.Serve(listener) }()

			conn, ours := net.Pipe()
			defer conn.Close()
			listener <- ours
			answers := bufio.NewReader(conn)
			head := "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: %d\r\n" + verify.Header + ": " + verify.Sign([]byte(secret), []byte(plainBody)) + "\r\n\r\n"
			for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusRequestTimeout} {
				body := plainBody
				if want != http.StatusOK {
					body = body[:9]
				}
				begin := time.Now()
				fmt.Fprintf(conn, head+"%s", len(plainBody), body)
				res, err := http.ReadResponse(answers, nil)
				if err != nil {
					t.Fatalf("request %d: %v", i, err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != want {
					t.Errorf("request %d: %s", i, res.Status)
				}
				if took := time.Since(begin); want != http.StatusOK && took != c.want {
					t.Errorf("server %v: it took %v", c.server, took)
				}
			}
			_ = s.Close()
		})
	}
}

// Over a real connection, with and without a length.
func TestHandlerOverHTTP(t *testing.T) {
	t.Parallel()
	a := newApp(t, dedupe.New())
	srv := httptest.NewServer(a)
	defer srv.Close()
	for i, want := range []string{"accepted", "duplicate"} {
		var body io.Reader = strings.NewReader(plainBody)
		if i > 0 {
			body = io.MultiReader(body) // hides the length
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(verify.Header, verify.Sign([]byte(secret), []byte(plainBody)))
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK || res.Header.Get("X-Inbox-Result") != want || string(text) != "OK" {
			t.Errorf("got %s %v %q", res.Status, res.Header, text)
		}
	}
}
