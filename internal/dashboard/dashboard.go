// Package dashboard is the operator's pages: what the operator's API returns, as HTML,
// and its changes as forms.
//
// Guarantee: a GET changes nothing. A POST is refused unless it comes from a page of the
// same origin and Options.Operate allows it, and a form that is sent twice is done once.
// Every page works without JavaScript. Whatever came from outside is shown as text. A
// page asks the API at most three times, and what all pages show is asked for once for
// all who look.
//
// Limits: it asks for no password; whoever mounts it must know who looks. Bulk changes
// run in the process that was asked for them and end with it (what was changed by then
// stays so); behind a balancer, one person must stay with one process.
package dashboard

import (
	"context"
	"net/http"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/page"
)

// Options are what a dashboard works with.
type Options struct {
	// Client calls the API whose store is shown.
	Client *control.Client
	// Operate allows to change something. Without it the pages have no forms for that,
	// and every POST is refused.
	Operate bool
	// Reveal allows to see phone numbers, one event at a time, and to copy the store. It
	// counts only with Operate.
	Reveal bool
	// User returns the name of the person who looks, empty for none. Default: none.
	User func(*http.Request) string
	// Prefix returns what stands before the dashboard's paths in the address, and was
	// cut off before the request came here, as "/ops". Default: nothing.
	Prefix func(*http.Request) string
	// Refused is called with each POST that was refused, and why. Default: nothing.
	Refused func(r *http.Request, why string)
	// Jobs has the bulk changes, for dashboards that share them or come one after the
	// other. Default: its own.
	Jobs *Jobs
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// NoRight is why a POST is refused in a dashboard that may only read.
const NoRight = "no right to operate"

// Dashboard serves the pages.
type Dashboard struct {
	Options
	serve http.Handler
	// These are asked for once for all who look. dead and odd read all that waits for a
	// decision, which may be much.
	status  *glance[control.Status]
	minutes *glance[control.Minutes]
	// within bounds the work for one page.
	within time.Duration
	dead   *glance[control.Groups]
	odd    *glance[control.OddGroups]
}

// changed lets the next page ask again for what a change may have made another.
func (d *Dashboard) changed() {
	d.status.forget()
	d.dead.forget()
	d.odd.forget()
}

// New returns the pages as a handler. The paths of requests begin after Prefix.
func New(o Options) *Dashboard {
	if o.User == nil {
		o.User = func(*http.Request) string { return "" }
	}
	if o.Prefix == nil {
		o.Prefix = func(*http.Request) string { return "" }
	}
	if o.Refused == nil {
		o.Refused = func(*http.Request, string) {}
	}
	if o.Jobs == nil {
		o.Jobs = NewJobs()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Reveal = o.Reveal && o.Operate
	d := &Dashboard{Options: o, within: within}
	d.status = newGlance(o.Now, o.Client.Status)
	d.minutes = newGlance(o.Now, o.Client.Minutes)
	d.dead = newGlance(o.Now, func(ctx context.Context) (control.Groups, error) { return o.Client.DeadGroups(ctx, control.Filter{}) })
	d.odd = newGlance(o.Now, func(ctx context.Context) (control.OddGroups, error) {
		return o.Client.QuarantineGroups(ctx, control.Filter{})
	})
	mux := http.NewServeMux()
	for pattern, f := range map[string]func(*call) error{
		"GET /{$}":                       d.overview,
		"GET /events":                    d.events,
		"GET /counts":                    d.counts,
		"GET /events/count":              d.eventsCount,
		"GET /events/{number}":           d.event,
		"GET /route":                     d.route,
		"GET /events/{number}/full":      masked,
		"GET /quarantine/{number}/full":  masked,
		"GET /find":                      d.find,
		"GET /quarantine":                d.quarantine,
		"GET /quarantine/{number}":       d.entry,
		"GET /decide":                    d.decide,
		"GET /confirm":                   d.confirm,
		"GET /jobs/{job}":                d.job,
		"GET /store":                     d.store,
		"GET /sources":                   d.sources,
		"POST /events/{number}":          d.changeEvent,
		"POST /quarantine/{number}":      d.changeEntry,
		"POST /routes":                   d.changeRoute,
		"POST /confirm":                  d.begin,
		"POST /jobs/{job}":               d.stopJob,
		"POST /store/backup":             d.backup,
		"POST /events/{number}/full":     d.reveal,
		"POST /quarantine/{number}/full": d.reveal,
		"/":                              d.nothing,
	} {
		mux.HandleFunc(pattern, d.handle(f))
	}
	d.serve = page.Secure(d.allowed(mux), o.Refused)
	return d
}

// ServeHTTP answers a request.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.serve.ServeHTTP(w, r) }

// Close ends the bulk changes that run and waits for them, if they are the dashboard's
// own.
func (d *Dashboard) Close() { d.Jobs.Close() }

// allowed refuses what a dashboard that may only read does not do.
func (d *Dashboard) allowed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !d.Operate {
			d.Refused(r, NoRight)
			d.handle(func(*call) error {
				return &control.Error{Status: http.StatusForbidden, Message: "this dashboard may only look: whoever runs it can allow changes with `actions operate`"}
			})(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const (
	// within bounds the work for one page, outside of tests.
	within = 15 * time.Second
	// longestForm is how many bytes a form may have.
	longestForm = 64 << 10
)

// call is one request of a person.
type call struct {
	w    http.ResponseWriter
	r    *http.Request
	d    *Dashboard
	user string
	now  time.Time
}

// handle returns the handler of a page. An error of f is shown as a page.
func (d *Dashboard) handle(f func(*call) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user := d.User(r)
		ctx, cancel := context.WithTimeout(control.AsOperator(r.Context(), user), d.within)
		defer cancel()
		r.Body = http.MaxBytesReader(w, r.Body, longestForm)
		c := &call{w: w, r: r.WithContext(ctx), d: d, user: user, now: d.Now()}
		if err := f(c); err != nil {
			c.fail(err)
		}
	}
}

// nothing answers for an address that is no page.
func (d *Dashboard) nothing(c *call) error {
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		return &control.Error{Status: http.StatusMethodNotAllowed, Message: "there is no such form: go back and load the page again"}
	}
	return &control.Error{Status: http.StatusNotFound, Message: "there is no such page: the pages are above"}
}
