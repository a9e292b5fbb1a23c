package dashboard

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/page"
)

//go:embed pages/*.html
var files embed.FS

// funcs are the functions of templates beside those of page. They are no methods of
// frame: each structure that embeds it would have a copy.
var funcs = template.FuncMap{
	"until": until, "since": since, "millis": millis, "ended": ended, "beside": beside, "deadOf": deadOf,
	"lasts":   func(s control.Seconds) string { return page.Duration(s.Duration()) },
	"seconds": func(s float64) string { return page.Duration(control.Seconds(s).Duration()) },
}

// templates has the template of each page. All have the parts of parts.html.
var templates = func() map[string]*template.Template {
	all := map[string]*template.Template{}
	for _, name := range []string{"overview", "route", "events", "count", "counts", "event", "decide", "confirm", "job", "store", "sources", "error"} {
		t, err := page.ParseWith(funcs, files, "pages/parts.html", "pages/"+name+".html")
		if err != nil {
			panic(err) // A test parses them all.
		}
		all[name] = t
	}
	return all
}()

// frame is what every page of the dashboard has.
type frame struct {
	page.Fields
	// Operate and Reveal are the rights of whoever looks.
	Operate, Reveal bool
	// Form is the token of the page's forms.
	Form string
	// Note is what a form that was sent came to, empty for none.
	Note string
}

// notes are what a page says after a form was sent, by the word in its address: text from
// an address is not shown.
var notes = map[string]string{
	"replayed":  "It was sent again.",
	"nothing":   "There was nothing to change: somebody was faster, or it waits already.",
	"discarded": "It was discarded. The event stays in the log.",
	"removed":   "The entry was removed from quarantine.",
	"released":  "The entry was released: it is an event now.",
	"hold":      "The route is held. Its deliveries wait until somebody resumes it.",
	"resume":    "The route goes on.",
	"retry":     "What waits is attempted now.",
}

// frame returns the frame of a page. here is the path of its entry in the navigation.
func (c *call) frame(title, here string) frame {
	s, _ := c.d.status.getWithin(c.r.Context(), 10*time.Second) // The navigation can do without.
	f := frame{
		Fields: page.Fields{
			Name: "inboxgate", Title: title, Prefix: c.d.Prefix(c.r), User: c.user, Now: c.now,
			Nav: []page.Link{
				{Path: "/", Text: "Overview"},
				{Path: "/events", Text: "Events"},
				{Path: "/decide", Text: "Decide", Count: decisions(s)},
				{Path: "/store", Text: "Store"},
				{Path: "/sources", Text: "Sources"},
			},
		},
		Operate: c.d.Operate, Reveal: c.d.Reveal, Note: notes[c.r.URL.Query().Get("done")],
	}
	if c.d.Operate {
		f.Form = c.d.Jobs.forms.token(c.now)
	}
	f.Version = s.Version
	for i := range f.Nav {
		f.Nav[i].Here = f.Nav[i].Path == here
	}
	return f
}

// decisions returns how much waits for a person's decision, empty for nothing.
func decisions(s control.Status) string {
	n := s.Dead.Total + s.Store.Quarantined + parkedIn(s)
	switch {
	case n == 0:
		return ""
	case s.Dead.Partial:
		return page.Count(n) + "+"
	}
	return page.Count(n)
}

// parkedIn returns how many deliveries wait for routes that nobody serves.
func parkedIn(s control.Status) (n int64) {
	for _, r := range s.Routes {
		if r.State == control.RouteParked {
			n += r.Waiting
		}
	}
	return n
}

// show answers with a page, or with what is live of it.
func (c *call) show(name string, status int, v any) error {
	var b bytes.Buffer
	if err := templates[name].ExecuteTemplate(&b, page.Part(c.r), v); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.w.WriteHeader(status)
	_, _ = c.w.Write(b.Bytes())
	return nil
}

// see leads the browser to another page of the dashboard.
func (c *call) see(path string) error {
	http.Redirect(c.w, c.r, c.d.Prefix(c.r)+path, http.StatusSeeOther)
	return nil
}

// trouble is an error as a page shows it.
type trouble struct {
	frame
	Text, Advice string
}

// fail answers with an error.
func (c *call) fail(err error) {
	t := trouble{Text: err.Error()}
	status := http.StatusBadGateway
	title := "inboxgate does not answer"
	var e *control.Error
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		status = e.Status
		title = map[int]string{
			http.StatusBadRequest: "This makes no sense", http.StatusForbidden: "Not allowed", http.StatusNotFound: "Not found",
			http.StatusConflict: "Not now", http.StatusNotImplemented: "This store cannot do that", http.StatusUnauthorized: "Not allowed",
			http.StatusMethodNotAllowed: "Not found",
		}[status]
		title = cmp.Or(title, "The store does not work")
	case errors.As(err, &long):
		status, title, t.Text = http.StatusRequestEntityTooLarge, "Too long", "the form is longer than 64 KiB: shorten its text"
	case errors.Is(err, context.DeadlineExceeded):
		status, t.Text = http.StatusGatewayTimeout, "inboxgate did not answer in time"
	}
	if status >= http.StatusInternalServerError {
		t.Advice = "Nothing was changed by looking. Load the page again; the log of inboxgate says more."
	}
	t.frame = c.frame(title, "")
	t.Note = ""
	if err := c.show("error", status, t); err != nil {
		http.Error(c.w, err.Error(), http.StatusInternalServerError)
	}
}

// listAddress returns the address of a list that a filter chooses from.
func listAddress(path string, v url.Values) string {
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// field returns a value of a sent form without the white space around it.
func (c *call) field(name string) string { return strings.TrimSpace(c.r.PostFormValue(name)) }
