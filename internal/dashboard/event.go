package dashboard

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/page"
)

// eventPath returns the path of an event's page. Its id is not in it: one may be "..".
func eventPath(number int64) string { return "/events/" + strconv.FormatInt(number, 10) }

// entryPath returns the path of the page of an entry of quarantine.
func entryPath(number int64) string { return "/quarantine/" + strconv.FormatInt(number, 10) }

// longestBody is how many bytes of a body a page shows.
const longestBody = 64 << 10

// eventView is one event, or one entry of quarantine.
type eventView struct {
	frame
	Event control.Event
	// Entry reports whether it is an entry of quarantine.
	Entry bool
	// Revealed reports whether phone numbers and the signature are shown.
	Revealed bool
	// Path is the page's own.
	Path string
	// Body is what is shown of the body, Cut how many bytes are not.
	Body string
	Cut  int
	// Pretty reports whether lines were broken for reading.
	Pretty bool
	// Curl and Trigger are commands that send the body again, empty for a long one.
	Curl, Trigger string
	Headers       []header
	// Delay is how long after its creation it came, in milliseconds; 0 where unknown.
	Delay int64
}

// header is one header of the platform's request.
type header struct{ Name, Value string }

func (d *Dashboard) event(c *call) error { return c.one(false, false) }

func (d *Dashboard) entry(c *call) error { return c.one(true, false) }

// reveal shows an event with its phone numbers. The API has a line in its audit log.
func (d *Dashboard) reveal(c *call) error {
	if !d.Reveal {
		d.Refused(c.r, NoReveal)
		return &control.Error{Status: http.StatusForbidden, Message: "phone numbers stay masked here: whoever runs this dashboard can allow to see them with `reveal operate`"}
	}
	return c.one(strings.HasPrefix(c.r.URL.Path, "/quarantine/"), true)
}

// masked leads from the address of a revealed body, which only a form has, to the masked
// one.
func masked(c *call) error { return c.see(strings.TrimSuffix(c.r.URL.Path, "/full")) }

// NoReveal is why a POST is refused that asks for phone numbers in a dashboard that does
// not show them.
const NoReveal = "no right to reveal"

// number returns the number of the event or entry that an address names.
func (c *call) number() (int64, error) {
	n, err := strconv.ParseInt(c.r.PathValue("number"), 10, 64)
	if err != nil || n <= 0 {
		return 0, &control.Error{Status: http.StatusNotFound, Message: "an event's address ends in its number: search for its id on the page of events"}
	}
	return n, nil
}

// ref returns the event or entry that an address names.
func (c *call) ref(entry bool) (control.Ref, error) {
	n, err := c.number()
	if entry {
		return control.Ref{Ref: strconv.FormatInt(n, 10), Quarantine: true}, err
	}
	return control.ByNumber(n), err
}

// one answers with the page of one event or entry.
func (c *call) one(entry, revealed bool) error {
	ref, err := c.ref(entry)
	if err != nil {
		return err
	}
	e, err := c.d.Client.Event(c.r.Context(), ref, revealed)
	if err != nil {
		return err
	}
	v := eventView{Event: e, Entry: entry, Revealed: revealed, Path: eventPath(e.Number)}
	here, title := "/events", cmp.Or(e.ID, fmt.Sprintf("Event %d", e.Number))
	if entry {
		v.Path, here, title = entryPath(e.Number), "/decide", cmp.Or(e.ID, fmt.Sprintf("Quarantine entry %d", e.Number))
	}
	v.frame = c.frame(title, here)
	v.body()
	v.commands()
	for _, name := range sortedNames(e.Header) {
		for _, value := range e.Header[name] {
			v.Headers = append(v.Headers, header{name, value})
		}
	}
	if !e.CreatedAt.IsZero() {
		v.Delay = e.Received.Sub(e.CreatedAt).Milliseconds()
	}
	if !revealed && !entry {
		v.Every = 3
	}
	return c.show("event", http.StatusOK, v)
}

func sortedNames(h http.Header) (names []string) {
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// raw returns the body as it came, but for what is masked.
func (v *eventView) raw() []byte {
	if len(v.Event.Body) > 0 {
		return v.Event.Body
	}
	return []byte(v.Event.Text)
}

// body sets what is shown of the body.
func (v *eventView) body() {
	raw := v.raw()
	if len(v.Event.Body) > 0 && len(raw) <= longestBody {
		var b bytes.Buffer
		if json.Indent(&b, raw, "", "  ") == nil {
			v.Pretty, raw = true, b.Bytes()
		}
	}
	shown := raw[:min(len(raw), longestBody)]
	v.Body, v.Cut = string(shown), len(raw)-len(shown)
}

// longestCommand is how long a body may be to stand in a command line.
const longestCommand = 16 << 10

// commands sets the commands that send the body again.
func (v *eventView) commands() {
	raw := v.raw()
	if len(raw) > longestCommand || !page.Clear(string(raw)) {
		return // What is shown in place of an invisible character would be copied.
	}
	uri := "/"
	if r := v.Event.Request; r != nil && strings.HasPrefix(r.URI, "/") {
		uri = r.URI
	}
	var b strings.Builder
	b.WriteString("curl -X POST " + quote("http://localhost:3000"+uri))
	for _, name := range sortedNames(v.Event.Header) {
		for _, value := range v.Event.Header[name] {
			b.WriteString(" \\\n  -H " + quote(name+": "+value))
		}
	}
	b.WriteString(" \\\n  --data-binary " + quote(string(raw)))
	v.Curl = b.String()
	v.Trigger = "printf %s " + quote(string(raw)) + " | inboxgate trigger --raw -"
}

// quote returns a text as one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// CanReplay reports whether a delivery can be sent again.
func (v eventView) CanReplay(d control.Delivery) bool {
	return v.Operate && (d.State == "delivered" || d.State == "dead" || d.State == "discarded")
}

// CanDiscard reports whether a delivery can be let go.
func (v eventView) CanDiscard(d control.Delivery) bool { return v.Operate && d.State == "dead" }

// changeEvent replays or discards deliveries of one event.
func (d *Dashboard) changeEvent(c *call) error {
	ref, err := c.ref(false)
	if err != nil {
		return err
	}
	what := c.field("do")
	done := map[string]string{"replay": "replayed", "discard": "discarded"}[what]
	if done == "" {
		return errNoSuchForm
	}
	return c.once(func() (string, error) {
		n, err := d.Client.Change(c.r.Context(), ref, what, c.r.PostFormValue("route"))
		if err != nil {
			return "", err
		}
		if n.Changed == 0 {
			done = "nothing"
		}
		return "/events/" + c.r.PathValue("number") + "?done=" + done, nil
	})
}

// changeEntry releases or removes one entry of quarantine.
func (d *Dashboard) changeEntry(c *call) error {
	ref, err := c.ref(true)
	if err != nil {
		return err
	}
	what := map[string]string{"release": "release", "remove": "discard"}[c.field("do")]
	if what == "" {
		return errNoSuchForm
	}
	return c.once(func() (string, error) {
		n, err := d.Client.Change(c.r.Context(), ref, what, "")
		if err != nil {
			return "", err
		}
		if n.Released == nil {
			return "/quarantine?done=removed", nil
		}
		e, err := d.Client.Event(c.r.Context(), control.Ref{Ref: n.Released.ID}, false)
		if err != nil {
			return "/quarantine?done=released", nil //nolint:nilerr // It was released; where it is now is an extra.
		}
		return eventPath(e.Number) + "?done=released", nil
	})
}

// changeRoute holds, resumes or retries a route.
func (d *Dashboard) changeRoute(c *call) error {
	source, route, what := c.r.PostFormValue("source"), c.r.PostFormValue("route"), c.field("do")
	var change func() error
	switch what {
	case "hold", "resume":
		change = func() error { return d.Client.SetRoute(c.r.Context(), source, route, what, c.field("reason")) }
	case "retry":
		change = func() error {
			_, err := d.Client.RetryRoute(c.r.Context(), source, route)
			return err
		}
	default:
		return errNoSuchForm
	}
	return c.once(func() (string, error) {
		to := back(c, source, route) + "done=" + what
		if c.field("back") != "route" {
			to += "#" + rowID(source, route) // So that the keyboard goes on from there.
		}
		return to, change()
	})
}

var errNoSuchForm = &control.Error{Status: http.StatusBadRequest, Message: "this form asks for nothing that there is: go back and load the page again"}

// once does what a form asks for, unless it was done already, and leads to its outcome.
func (c *call) once(do func() (string, error)) error {
	if err := c.r.ParseForm(); err != nil {
		return badForm(err)
	}
	c.r = c.r.WithContext(control.Because(c.r.Context(), c.field("reason")))
	where, err := c.d.Jobs.forms.once(c.r, c.now, do)
	if err != nil {
		return err
	}
	c.d.changed()
	return c.see(where)
}

// badForm returns the error of a form that cannot be read.
func badForm(err error) error {
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return err
	}
	return &control.Error{Status: http.StatusBadRequest, Message: "this form cannot be read: go back and load the page again"}
}

// statusOf returns the status of an error of the API, 0 for another error.
func statusOf(err error) int {
	var e *control.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}
