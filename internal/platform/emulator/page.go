package emulator

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/internal/page"
	"github.com/inboxgate/inboxgate/internal/platform"
)

//go:embed page.html
var pageFile embed.FS

var pageTemplate = template.Must(page.Parse(pageFile, "page.html"))

const (
	pageRefresh = 2   // seconds between two refreshes
	pageSent    = 100 // deliveries that the page shows
	pageDue     = 20  // retries that the page shows
)

// addPage adds the page, its files and its forms. They need no key, as /_emulator/ needs
// none, and are for browsers of this machine alone.
func (e *Emulator) addPage(to *http.ServeMux) {
	all := http.NewServeMux()
	all.HandleFunc("GET /{$}", e.look)
	all.HandleFunc("POST /page/test", e.press(func(r *http.Request) (string, error) {
		id, kind := r.PostFormValue("webhook"), r.PostFormValue("type")
		_, err := e.Test(id, kind)
		return "send-" + id + "-" + kind, err
	}))
	all.HandleFunc("POST /page/forge", e.press(func(r *http.Request) (string, error) {
		id := r.PostFormValue("webhook")
		if id == "" {
			return "", noWebhook(id) // No id would mean all webhooks.
		}
		_, err := e.Send(SendRequest{WebhookID: id, WrongSecret: 1, BadSignature: 1})
		return "forge-" + id, err
	}))
	all.HandleFunc("POST /page/pause", e.press(func(r *http.Request) (string, error) {
		id := r.PostFormValue("webhook")
		return "pause-" + id, e.Pause(id, r.PostFormValue("paused") == "true")
	}))
	h := fromHere(page.OnlyLoopbackHost(page.Secure(all, nil)))
	for _, path := range []string{"/{$}", "/-/", "/page/"} {
		to.Handle(path, h)
	}
}

// fromHere lets pass what comes from this machine.
func fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopback(r.RemoteAddr) {
			page.SetHeaders(w.Header())
			http.Error(w, "403: this page is for the machine that the emulator runs on; reach it through ssh -L", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// press does what a form asks for and leads back to the page: to the button, whose id do
// returns. Who presses keys goes on from there.
func (e *Emulator) press(do func(*http.Request) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "400: the form did not come whole", http.StatusBadRequest)
			return
		}
		button, err := do(r)
		if err != nil {
			status := http.StatusInternalServerError
			if refused := (*platform.APIError)(nil); errors.As(err, &refused) {
				status, err = refused.Status, errors.New(refused.Message)
			}
			http.Error(w, page.Plain(tidy(err.Error())), status)
			return
		}
		http.Redirect(w, r, "/#"+url.PathEscape(button), http.StatusSeeOther)
	}
}

// view is what the page shows.
type view struct {
	page.Frame
	Speed    float64
	Counts   Counts
	Attempts int // that a delivery has at most
	Hooks    []hookView
	Retrying int // deliveries that wait for a retry
	Due      []sentView
	Kept     int // deliveries that are remembered
	Sent     []sentView
}

// hookView is a webhook as the page shows it.
type hookView struct {
	platform.Webhook
	Paused bool
	Waits  int // requests that wait for their turn
}

// sentView is a delivery as the page shows it.
type sentView struct{ Sent }

// First returns when its first attempt began.
func (s sentView) First() time.Time {
	if len(s.Attempts) == 0 {
		return time.Time{}
	}
	return s.Attempts[0].At
}

// Last returns the last attempt.
func (s sentView) Last() Attempt {
	if len(s.Attempts) == 0 {
		return Attempt{Error: "none yet"}
	}
	return s.Attempts[len(s.Attempts)-1]
}

// Class returns the style of its state.
func (s sentView) Class() string {
	switch s.Status {
	case Delivered:
		return "ok"
	case Failed:
		return "bad"
	case Waiting:
		return "wait"
	case Forged:
		if slices.ContainsFunc(s.Attempts, func(a Attempt) bool { return a.Status/100 == 2 }) {
			return "bad"
		}
	}
	return "off"
}

// see returns what the page shows now.
func (e *Emulator) see() view {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	r := e.round
	v := view{
		Frame: page.Frame{Name: "Inbox platform", Version: "emulator", Title: "What the platform sent", Every: pageRefresh, Reload: 5, Now: now},
		Speed: e.opts.Speed, Counts: r.counts, Attempts: platform.Attempts, Retrying: len(e.due), Kept: len(r.sent),
	}
	v.Counts.InFlight = e.inFlight
	for _, h := range e.hooks {
		v.Hooks = append(v.Hooks, hookView{h.shown(), h.paused, len(h.ready)})
	}
	due := slices.Clone(e.due)
	slices.SortFunc(due, func(a, b *delivery) int { return a.due.Compare(b.due) })
	for _, d := range due[:min(len(due), pageDue)] {
		v.Due = append(v.Due, sentView{d.shown()})
	}
	for i := len(r.sent) - 1; i >= max(0, len(r.sent)-pageSent); i-- {
		v.Sent = append(v.Sent, sentView{r.sent[i].shown()})
	}
	return v
}

func (e *Emulator) look(w http.ResponseWriter, r *http.Request) {
	var text bytes.Buffer
	if err := pageTemplate.ExecuteTemplate(&text, page.Part(r), e.see()); err != nil {
		http.Error(w, "500: the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = text.WriteTo(w)
}
