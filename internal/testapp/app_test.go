package testapp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/testapp"
)

func send(t *testing.T, app *testapp.App, id string) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+app.Addr+"/hook?a=b", strings.NewReader("body of "+id))
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	req.Header.Set("X-Inbox-Event-Id", id)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_ = res.Body.Close()
	return res.StatusCode, nil
}

func TestArrivals(t *testing.T) {
	t.Parallel()
	app := testapp.New(t, nil)
	for _, id := range []string{"one", "two", "one"} {
		if status, err := send(t, app, id); status != http.StatusOK || err != nil {
			t.Fatalf("%s: %d, %v", id, status, err)
		}
	}
	if n := len(app.Of("one")); n != 2 || app.Events() != 2 || app.Unread() != 3 {
		t.Errorf("one came %d times, of %d events, %d unread; want 2, 2 and 3", n, app.Events(), app.Unread())
	}
	for i, want := range []string{"one", "two", "one"} {
		a := app.Next(t)
		if a.ID != want || a.N != i+1 || a.URI != "/hook?a=b" || a.Method != http.MethodPost || string(a.Body) != "body of "+want || a.Host != app.Addr {
			t.Errorf("arrival %d is %+v", i+1, a)
		}
	}
	if a := app.Event(t, "two"); a.N != 2 || app.Unread() != 0 {
		t.Errorf("event two came as %+v; %d unread", a, app.Unread())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := app.Until(ctx, func() bool { return false }); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting in vain: %v", err)
	}
}

// What has begun is answered although the port is shut, or cut where it hangs; the
// app comes back at the same address.
func TestLeaveAndComeBack(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]bool{"answered": false, "cut": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, goOn := make(chan struct{}), make(chan struct{})
			app := testapp.New(t, func(w http.ResponseWriter, r *http.Request, a testapp.Arrival) {
				if a.N > 1 {
					return
				}
				close(begun)
				select {
				case <-goOn:
				case <-r.Context().Done():
				}
				_, _ = io.WriteString(w, "OK")
			})
			answer := make(chan error, 1)
			go func() {
				_, err := send(t, app, "one")
				answer <- err
			}()
			<-begun
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			answered := app.Leave(ctx)
			if _, err := send(t, app, "two"); err == nil {
				t.Error("the port is open")
			}
			if cut {
				cancel()
			} else {
				close(goOn)
			}
			if err := <-answered; (err != nil) != cut {
				t.Errorf("leaving: %v, want an error: %t", err, cut)
			}
			if err := <-answer; (err != nil) != cut {
				t.Errorf("the answer: %v, want an error: %t", err, cut)
			}
			if err := app.Start(); err != nil {
				t.Fatal(err)
			}
			if status, err := send(t, app, "three"); status != http.StatusOK || err != nil {
				t.Errorf("back again: %d, %v", status, err)
			}
		})
	}
}
