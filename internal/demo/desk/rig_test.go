package desk

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/internal/platform/emulator"
	"github.com/inboxgate/inboxgate/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait; none of the tests waits that long on a machine that is
// well.
const patience = 60 * time.Second

const secret = "a secret that is long enough"

// appNamed returns an app that is up, and goes when the test ends.
func appNamed(t *testing.T, name, secret string) *App {
	t.Helper()
	v, err := verify.New(verify.Key(secret))
	if err != nil {
		t.Fatal(err)
	}
	a := &App{Name: name, Verifier: v}
	turn(t, a, Up)
	t.Cleanup(func() { _ = a.Set(Down) })
	return a
}

func turn(t *testing.T, a *App, m Mode) {
	t.Helper()
	if err := a.Set(m); err != nil {
		t.Fatal(err)
	}
}

// answer is what an app answered.
type answer struct {
	status int
	body   string
	again  string // Retry-After
}

// post sends a body with the signature of a secret.
func post(ctx context.Context, a *App, secret, body string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.Addr()+"/", strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Close = true
	r.Header.Set(verify.Header, verify.Sign([]byte(secret), []byte(body)))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, string(text), res.Header.Get("Retry-After")}, err
}

// sample returns an event's body.
func sample(t *testing.T, typ string) (id, body string) {
	t.Helper()
	e, err := event.Sample(typ, time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return e.ID, string(text)
}

// open returns a desk of two apps, and a platform that sends to the first.
func open(t *testing.T) *Desk {
	t.Helper()
	e, err := emulator.New(emulator.Options{Speed: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	// The webhook's secret comes with its address, which the app has once it is up.
	a := appNamed(t, "app", secret)
	w, err := e.Create(platform.Registration{URL: "http://" + a.Addr() + "/", Events: event.Types()})
	if err != nil {
		t.Fatal(err)
	}
	turn(t, a, Down)
	if a.Verifier, err = verify.New(verify.Key(w.Secret)); err != nil {
		t.Fatal(err)
	}
	turn(t, a, Up)
	e.Start()
	return &Desk{Apps: []*App{a, appNamed(t, "on-call", secret)}, Platform: e, Explains: "Retried after 2, 5 and 10 s."}
}

// settled waits until the platform has nothing left to send.
func (d *Desk) settled(t *testing.T) emulator.Counts {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := d.Platform.Wait(ctx); err != nil {
		t.Fatalf("waiting: %v; %+v", err, d.Platform.Counts())
	}
	return d.Platform.Counts()
}
