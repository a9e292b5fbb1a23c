package dashboard

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/inboxgate/inboxgate/internal/control"
)

// input is one word of a filter as a field of a form.
type input struct {
	control.Word
	// Value is what the address has, Error what is wrong with it.
	Value, Error string
	// Choices are offered, but any text may be given.
	Choices []string
	// More reports that the field is among those that are rarely wanted.
	More bool
}

// Label returns the word as people write it.
func (i input) Label() string { return strings.ReplaceAll(i.Name, "_", " ") }

// readFilter reads the words of a list's filter from an address or a form. Words with an
// error are left out of the filter; bad reports whether there is one.
func (c *call) readFilter(v url.Values, list control.Lists) (f control.Filter, fields []input, bad bool) {
	for _, w := range control.Words(list) {
		in := input{Word: w, Value: v.Get(w.Name)}
		if in.Value != "" {
			try := f
			if err := w.Set(&try, in.Value, c.now); err != nil {
				in.Error, bad = err.Error(), true
			} else {
				f = try
			}
		}
		fields = append(fields, in)
	}
	if f.Inverted() {
		bad = true
		for i := range fields {
			if fields[i].Name == "since" {
				fields[i].Error = "is after until, which chooses nothing"
			}
		}
	}
	return f, fields, bad
}

// rare are the words that most people never need; the form hides them until one is used.
var rare = []string{"kind", "status", "error", "id", "message_id", "until", "reason"}

// mostChoices is how many names are offered for a field: with 10,000 routes a page would
// be all names.
const mostChoices = 100

// offer adds to the fields what can be chosen.
func (c *call) offer(fields []input) {
	s, _ := c.d.status.getWithin(c.r.Context(), 10*1e9)
	var sources, routes []string
	for _, r := range s.Routes {
		sources, routes = append(sources, r.Source), append(routes, r.Route)
	}
	for i := range fields {
		in := &fields[i]
		in.More = slices.Contains(rare, in.Name)
		switch in.Name {
		case "source":
			in.Choices = distinct(sources)
		case "route":
			in.Choices = distinct(routes)
		case "type":
			in.Choices = []string{"message.*", "message.failed", "message.delivered", "message.read", "message.action"}
		case "since":
			in.Choices = []string{"15m", "1h", "24h", "3d"}
		}
	}
}

// distinct returns the first names of a list, each once and in order.
func distinct(names []string) []string {
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), mostChoices)]
}

// filterValues returns the words of a filter that an address has, without empty ones.
func filterValues(v url.Values, list control.Lists) url.Values {
	out := url.Values{}
	for _, w := range control.Words(list) {
		if text := v.Get(w.Name); text != "" {
			out.Set(w.Name, text)
		}
	}
	return out
}

// encode returns words as a query string that a template writes as it is.
func encode(v url.Values) template.URL {
	return template.URL(v.Encode()) // Encode has escaped it.
}

// tidy leads from an address with empty words, as a form makes it, to the same without
// them, and reports whether it did.
func (c *call) tidy(path string, list control.Lists) bool {
	v := c.r.URL.Query()
	for _, w := range control.Words(list) {
		if v.Has(w.Name) && strings.TrimSpace(v.Get(w.Name)) == "" {
			_ = c.see(listAddress(path, filterValues(trimmed(v), list)))
			return true
		}
	}
	return false
}

func trimmed(v url.Values) url.Values {
	out := url.Values{}
	for name, values := range v {
		if text := strings.TrimSpace(values[0]); text != "" {
			out.Set(name, text)
		}
	}
	return out
}

// pager leads from one page of a list to its neighbours.
type pager struct {
	// Newer and Older are addresses, empty where there is none. Newest is the first page.
	Newer, Older, Newest template.URL
}

// mostBefore is how many pages back an address remembers.
const mostBefore = 40

// cursor returns the place in a list that an address asks for: 0 for its begin.
func (c *call) cursor() (int64, error) {
	text := c.r.URL.Query().Get("cursor")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, &control.Error{Status: http.StatusBadRequest, Message: "this address has a cursor that is no number: begin at the newest"}
	}
	return n, nil
}

// pages returns the neighbours of the page that is shown, whose next begins at next. The
// address carries where the pages before it began.
func (c *call) pages(path string, words url.Values, next int64) (p pager) {
	v := c.r.URL.Query()
	at := v.Get("cursor")
	var before []string
	if text := v.Get("before"); text != "" {
		before = strings.Split(text, ".")
	}
	with := func(cursor string, before []string) template.URL {
		out := url.Values{}
		for name, values := range words {
			out[name] = values
		}
		if cursor != "" {
			out.Set("cursor", cursor)
		}
		if len(before) > 0 {
			out.Set("before", strings.Join(before[max(0, len(before)-mostBefore):], "."))
		}
		return template.URL(listAddress(path, out)) // It has escaped its words.
	}
	if next != 0 {
		older := before
		if at != "" {
			older = append(slices.Clone(before), at)
		}
		p.Older = with(strconv.FormatInt(next, 10), older)
	}
	if at != "" {
		p.Newest = with("", nil)
		if n := len(before); n > 0 {
			p.Newer = with(before[n-1], before[:n-1])
		} else {
			p.Newer = p.Newest
		}
	}
	return p
}
