package dashboard

import (
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/page"
)

const (
	// rows is how many events or entries a page has.
	rows = 50
	// searchFor bounds the search for a first hit: the API returns short pages, even empty
	// ones, where no index serves a filter.
	searchFor = 700 * time.Millisecond
)

// listView is a page of events, or of entries of quarantine.
type listView struct {
	frame
	Path   string // of the list, below the prefix
	Fields []input
	Bad    bool // a field has an error, and nothing was asked for
	Page   control.Page
	// Filtered reports whether there is a filter, Words is it as a query string.
	Filtered bool
	Words    template.URL
	// Found is how many there are in words, empty where that is not known yet.
	Found string
	pager
	// Sources reports whether more than one source is on the page.
	Sources bool
}

// Open reports whether the rare fields are shown.
func (v listView) Open() bool {
	for _, f := range v.Fields {
		if f.More && (f.Value != "" || f.Error != "") {
			return true
		}
	}
	return false
}

// mostDeliveries is how many deliveries of an event a list shows.
const mostDeliveries = 6

// Some returns the deliveries of an event that a list shows, and Rest how many it does
// not.
func (v listView) Some(e control.Event) []control.Delivery {
	return e.Deliveries[:min(len(e.Deliveries), mostDeliveries)]
}

// Rest returns how many deliveries of an event a list leaves out.
func (v listView) Rest(e control.Event) int { return max(0, len(e.Deliveries)-mostDeliveries) }

func (d *Dashboard) events(c *call) error {
	return c.list("/events", "Events", control.OfEvents, control.List{Limit: rows})
}

func (d *Dashboard) quarantine(c *call) error {
	return c.list("/quarantine", "Quarantine", control.OfQuarantine, control.List{Limit: rows, Quarantine: true})
}

// list answers with a page of events or of quarantine.
func (c *call) list(path, title string, of control.Lists, l control.List) error {
	if c.tidy(path, of) {
		return nil
	}
	query := c.r.URL.Query()
	words := filterValues(query, of)
	v := listView{Path: path, Filtered: len(words) > 0, Words: encode(words)}
	l.Filter, v.Fields, v.Bad = c.readFilter(query, of)
	cursor, err := c.cursor()
	if err != nil {
		return err
	}
	l.Cursor = cursor
	status := http.StatusOK
	if v.Bad {
		status = http.StatusBadRequest
	} else if v.Page, err = c.search(l); err != nil {
		return err
	}
	here := path
	if l.Quarantine {
		here = "/decide"
	}
	v.frame = c.frame(title, here)
	c.offer(v.Fields)
	v.pager = c.pages(path, words, v.Page.Next)
	if n := len(v.Page.Events); v.Page.Next == 0 && cursor == 0 && !v.Bad {
		v.Found = page.Count(n) + " found"
	}
	for _, e := range v.Page.Events {
		v.Sources = v.Sources || e.Source != v.Page.Events[0].Source
	}
	if cursor == 0 && !v.Bad && query.Get("contains") == "" {
		v.Every = 3 // A search through bodies is not for every few seconds.
	}
	return c.show("events", status, v)
}

// search asks for a page, and goes on while pages are empty.
func (c *call) search(l control.List) (p control.Page, err error) {
	for begun := c.d.Now(); ; l.Cursor = p.Next {
		p, err = c.d.Client.Events(c.r.Context(), l)
		if err != nil || len(p.Events) > 0 || p.Next == 0 || c.d.Now().Sub(begun) > searchFor {
			return p, err
		}
	}
}

// countView is how many events a filter chooses.
type countView struct {
	frame
	Text string
	Back template.URL
}

// eventsCount answers with how many events a filter chooses, which may take longer than
// the page of them.
func (d *Dashboard) eventsCount(c *call) error {
	words := filterValues(c.r.URL.Query(), control.OfEvents)
	f, _, bad := c.readFilter(c.r.URL.Query(), control.OfEvents)
	if bad {
		return &control.Error{Status: http.StatusBadRequest, Message: "this filter chooses nothing: go back and mend it"}
	}
	p, err := d.Client.Events(c.r.Context(), control.List{Filter: f, Limit: 1, Total: true})
	if err != nil {
		return err
	}
	v := countView{Back: template.URL(listAddress("/events", words))} // It has escaped its words.
	if p.Total != nil {
		v.Text = page.Count(*p.Total)
		if p.Partial {
			v.Text += " or more"
		}
		v.Text += " found"
	}
	v.frame = c.frame("Count", "/events")
	return c.show("count", http.StatusOK, v)
}

// find leads to the event of an id, or to the events whose body holds the text that is
// searched for, as a message id.
func (d *Dashboard) find(c *call) error {
	q := trimmed(c.r.URL.Query()).Get("q")
	if q == "" {
		return c.see("/events")
	}
	// Not by the path of an event: an id may be "..".
	p, err := d.Client.Events(c.r.Context(), control.List{Filter: control.Filter{ID: q}, Limit: 2})
	switch n, noNumber := strconv.ParseInt(q, 10, 64); {
	case err != nil:
		return err
	case len(p.Events) == 1 && p.Next == 0:
		return c.see(eventPath(p.Events[0].Number))
	case len(p.Events) > 0: // Several sources have it.
		return c.see(listAddress("/events", url.Values{"id": {q}}))
	case noNumber == nil && n > 0:
		if e, err := d.Client.Event(c.r.Context(), control.ByNumber(n), false); err == nil {
			return c.see(eventPath(e.Number))
		}
	}
	return c.see(listAddress("/events", url.Values{"contains": {q}}))
}
