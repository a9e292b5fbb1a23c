package desk

import (
	"bytes"
	"cmp"
	"embed"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/internal/page"
	"github.com/inboxgate/inboxgate/internal/platform/emulator"
)

//go:embed page.html
var pageFile embed.FS

var pageTemplate = template.Must(page.Parse(pageFile, "page.html"))

const (
	refresh    = 2       // seconds between two refreshes
	maxRequest = 4 << 10 // bytes of a form
)

// Handler returns the desk as a page for a listener of the loopback interface.
func (d *Desk) Handler() http.Handler {
	all := http.NewServeMux()
	all.HandleFunc("GET /{$}", d.look)
	all.HandleFunc("POST /switch", d.post(func(r *http.Request) (string, error) {
		app, mode := r.PostFormValue("app"), r.PostFormValue("mode")
		_, err := d.Switch(app, Mode(mode))
		return "switch-" + app + "-" + mode, err
	}))
	all.HandleFunc("POST /send", d.post(func(r *http.Request) (string, error) {
		wave := r.PostFormValue("wave")
		_, err := d.Send(wave)
		return "send-" + wave, err
	}))
	return page.OnlyLoopbackHost(page.Secure(all, nil))
}

// post does what a form asks for, and leads back to the page, which says what was done:
// to the button, whose id do returns. Who presses keys goes on from there.
func (d *Desk) post(do func(*http.Request) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "400: the form did not come whole", http.StatusBadRequest)
			return
		}
		button, err := do(r)
		if err != nil {
			http.Error(w, "422: "+page.Plain(page.Short(300, err.Error())), http.StatusUnprocessableEntity)
			return
		}
		http.Redirect(w, r, "/#"+url.PathEscape(button), http.StatusSeeOther)
	}
}

// view is what the page shows.
type view struct {
	page.Frame
	Explains string
	Links    []Link
	Done     []Done // newest first
	Failed   bool   // what was done last
	Apps     []appView
	Switches []Switch
	Waves    []Wave
	Counts   emulator.Counts
	Most     int
	Latest   []Arrival
}

// appView is an app as the page shows it.
type appView struct {
	AppState
	Does    string // see Switch
	Class   string // of its state
	Answers []answers
}

// answers counts what was answered with a status.
type answers struct{ Status, N int }

func (d *Desk) look(w http.ResponseWriter, r *http.Request) {
	v := view{
		Frame:    page.Frame{Name: "inboxgate demo", Title: "The demo's desk", Every: refresh, Reload: 5, Now: time.Now()},
		Explains: d.Explains, Links: d.Links, Switches: Switches(), Waves: Waves(), Counts: d.Platform.Counts(), Most: maxLatest,
		Done: d.done(),
	}
	v.Failed = len(v.Done) > 0 && v.Done[0].Failed
	for _, a := range d.Apps {
		one := viewOf(a.State())
		v.Apps = append(v.Apps, one)
		v.Latest = append(v.Latest, one.Latest...)
	}
	slices.SortStableFunc(v.Latest, func(a, b Arrival) int { return b.At.Compare(a.At) })
	var text bytes.Buffer
	if err := pageTemplate.ExecuteTemplate(&text, page.Part(r), v); err != nil {
		http.Error(w, "500: the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = text.WriteTo(w)
}

// viewOf returns an app as the page shows it.
func viewOf(s AppState) appView {
	v := appView{AppState: s, Class: "bad"}
	if now, ok := switchTo(s.Mode); ok {
		v.Does = now.Does
	}
	switch s.Mode {
	case Up:
		v.Class = "ok"
	case Slow, Busy:
		v.Class = "warn"
	}
	for _, status := range slices.SortedFunc(maps.Keys(s.Answers), cmp.Compare) {
		v.Answers = append(v.Answers, answers{status, s.Answers[status]})
	}
	return v
}
