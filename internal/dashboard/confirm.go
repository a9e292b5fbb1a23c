package dashboard

import (
	"cmp"
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/page"
)

// task is a bulk change: what is to be done with what a filter chooses.
type task struct {
	// Do is one of the keys of doings, Words the filter as a query string.
	Do, Words string
	Filter    control.Filter
}

// doing is one kind of bulk change.
type doing struct {
	// Verb completes "… 4 dead letters", Past "4 …", Noun what it is done with.
	Verb, Past, Noun string
	// Danger reports that it cannot be taken back.
	Danger bool
	list   control.Lists
	run    func(*control.Client, context.Context, control.Bulk, func(control.Step)) (control.Step, error)
}

var doings = map[string]doing{
	"replay":  {Verb: "Replay", Past: "sent again", Noun: "deliveries", list: control.OfEvents, run: (*control.Client).Replay},
	"discard": {Verb: "Discard", Past: "discarded", Noun: "dead letters", Danger: true, list: control.OfDead, run: (*control.Client).DiscardDead},
	"release": {Verb: "Release", Past: "released", Noun: "entries of quarantine", list: control.OfQuarantine, run: (*control.Client).ReleaseOdd},
	"remove":  {Verb: "Remove", Past: "removed", Noun: "entries of quarantine", Danger: true, list: control.OfQuarantine, run: (*control.Client).DiscardOdd},
}

// Of returns what kind of change a task is.
func (t task) Of() doing { return doings[t.Do] }

// bulk returns a task as the API takes it.
func (t task) bulk() control.Bulk {
	b := control.Bulk{Filter: t.Filter}
	switch t.Do {
	case "replay":
		b.OnlyState = slices.Contains([]string{"delivered", "dead", "discarded"}, t.Filter.State)
	case "discard":
		b.Filter.State = "dead" // They all are, and a filter must choose something.
	}
	b.All = true // The page of confirmation showed how many that is.
	return b
}

// Look returns the address of the list of what the task chooses.
func (t task) Look() template.URL {
	path := "/events"
	if t.Of().list == control.OfQuarantine {
		path = "/quarantine"
	}
	if t.Words != "" {
		path += "?" + t.Words
	}
	return template.URL(path) // The words were escaped.
}

// After returns the address of the list where what was changed is found.
func (t task) After() template.URL {
	v := url.Values{}
	for name, text := range map[string]string{"source": t.Filter.Source, "route": t.Filter.Route} {
		if text != "" {
			v.Set(name, text)
		}
	}
	return template.URL(listAddress("/events", v)) // It has escaped its words.
}

// readTask reads a task from the words of an address.
func (c *call) readTask(do string, v url.Values) (task, error) {
	kind, ok := doings[do]
	if !ok {
		return task{}, errNoSuchForm
	}
	if do == "discard" {
		v = cloneWithout(v, "state")
	}
	f, fields, bad := c.readFilter(v, kind.list)
	if bad {
		for _, in := range fields {
			if in.Error != "" {
				return task{}, &control.Error{Status: http.StatusBadRequest, Message: in.Label() + ": " + in.Error}
			}
		}
	}
	return task{Do: do, Words: filterValues(v, kind.list).Encode(), Filter: f}, nil
}

func cloneWithout(v url.Values, name string) url.Values {
	out := url.Values{}
	for key, values := range v {
		if key != name {
			out[key] = values
		}
	}
	return out
}

// confirmView asks whether a bulk change is wanted.
type confirmView struct {
	frame
	Task task
	// Would is what a dry run counted; Least reports that it was ended before its end, so
	// that there are that many, or more.
	Would control.Step
	Least bool
	// Takes is about how long it will take, in words.
	Takes string
	// Route is the route that gets what is sent again, nil for several.
	Route *control.Route
	// Reason is what was given, Missing that none was.
	Reason  string
	Missing bool
}

const (
	// dryFor bounds the counting of what would be changed.
	dryFor = 4 * time.Second
	// replayRate is how many events a second a replay sends, as the API does by default.
	replayRate = 100
)

// confirm shows what a bulk change would do.
func (d *Dashboard) confirm(c *call) error {
	if !d.Operate {
		return &control.Error{Status: http.StatusForbidden, Message: "this dashboard may only look: whoever runs it can allow changes with `actions operate`"}
	}
	t, err := c.readTask(c.r.URL.Query().Get("do"), c.r.URL.Query())
	if err != nil {
		return err
	}
	return c.confirmPage(t, "", false)
}

// confirmPage answers with the page that asks about a task.
func (c *call) confirmPage(t task, reason string, missing bool) error {
	v := confirmView{Task: t, Reason: reason, Missing: missing}
	var err error
	if v.Would, v.Least, err = c.dryRun(t); err != nil {
		return err
	}
	status := http.StatusOK
	if missing {
		status = http.StatusBadRequest
	}
	if t.Do == "replay" && t.Filter.Route != "" {
		s, _ := c.d.status.get(c.r.Context()) // Without it the page says less.
		v.Route = routeOf(s, t.Filter.Source, t.Filter.Route)
	}
	v.Takes = page.Duration(max(time.Duration(v.Would.Matched)*time.Second/replayRate, time.Second).Truncate(time.Second))
	n := page.Count(v.Would.Changed)
	if v.Least {
		n = "at least " + n
	}
	title := t.Of().Verb + " " + n + " " + t.noun(v.Would.Changed)
	if t.Filter.Route != "" {
		title += " of " + t.Filter.Route
	}
	v.frame = c.frame(title+"?", "/decide")
	return c.show("confirm", status, v)
}

// noun returns what a task changes, in its number.
func (t task) noun(n int64) string {
	noun := t.Of().Noun
	if t.Do == "replay" && t.Filter.State == "dead" {
		noun = "dead letters"
	}
	if n != 1 {
		return noun
	}
	return map[string]string{"deliveries": "delivery", "dead letters": "dead letter", "entries of quarantine": "entry of quarantine"}[noun]
}

// dryRun counts what a task would change.
func (c *call) dryRun(t task) (last control.Step, least bool, err error) {
	ctx, cancel := context.WithTimeout(c.r.Context(), dryFor)
	defer cancel()
	b := t.bulk()
	b.DryRun = true
	step, err := t.Of().run(c.d.Client, ctx, b, func(s control.Step) { last = s })
	switch {
	case err == nil:
		return step, false, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && last.Matched > 0:
		return last, true, nil
	}
	return last, false, err
}

// routeOf returns a route of a status, nil where there is none. An empty source is any.
func routeOf(s control.Status, source, name string) *control.Route {
	for i, r := range s.Routes {
		if r.Route == name && (source == "" || r.Source == source) {
			return &s.Routes[i]
		}
	}
	return nil
}

// begin starts a bulk change that was confirmed.
func (d *Dashboard) begin(c *call) error {
	if err := c.r.ParseForm(); err != nil {
		return badForm(err)
	}
	words, err := url.ParseQuery(c.r.PostFormValue("words"))
	if err != nil {
		return errNoSuchForm
	}
	t, err := c.readTask(c.field("do"), words)
	if err != nil {
		return err
	}
	reason := c.field("reason")
	if reason == "" {
		return c.confirmPage(t, reason, true)
	}
	return c.once(func() (string, error) {
		one := &job{Task: t, User: c.user, Reason: reason}
		ctx := control.Because(c.r.Context(), reason)
		b := t.bulk()
		b.Reason = reason
		err := d.Jobs.begin(ctx, one, d.Now, func(ctx context.Context, f func(control.Step)) (control.Step, error) {
			defer d.changed()
			return t.Of().run(d.Client, ctx, b, f)
		})
		return "/jobs/" + one.ID, err
	})
}

// jobView is a bulk change and how far it is.
type jobView struct {
	frame
	Job job
	// Percent is how much is done, -1 where that is not known.
	Percent int
	// Again is how many of the deliveries that were sent again are dead letters again; Least
	// that there are that many, or more. Known reports whether it was counted.
	Again        int
	Least, Known bool
	// Waiting is how many deliveries wait for the route, -1 where that is not known.
	Waiting int64
	// Fault is why it failed, in words.
	Fault string
}

// job shows a bulk change.
func (d *Dashboard) job(c *call) error {
	one, err := d.Jobs.get(c.r.PathValue("job"), c.now)
	if err != nil {
		return err
	}
	v := jobView{Job: one, Percent: -1, Waiting: -1}
	if s := one.Step; s.Total > 0 {
		v.Percent = int(min(100*s.Matched/s.Total, 100))
	}
	if one.Err != nil && !one.Stopped {
		v.Fault = one.Err.Error()
	}
	if one.Task.Do == "replay" {
		v.again(c)
	}
	v.frame = c.frame(one.title(), "/decide")
	if one.Running() {
		v.Every, v.Reload = 1, 2
	} else if v.Waiting > 0 && c.now.Sub(one.Ended) < time.Minute {
		v.Every, v.Reload = 2, 5 // What was sent again arrives, or does not.
	}
	return c.show("job", http.StatusOK, v)
}

// title returns what a job does, in words.
func (one job) title() string {
	t := one.Task.Of().Verb + " " + one.Task.noun(2)
	if one.Task.Filter.Route != "" {
		t += " of " + one.Task.Filter.Route
	}
	return t
}

// Title returns what a job does, in words.
func (one job) Title() string { return one.title() }

// again counts what died again since the job began. It looks at the newest thousand
// events with dead letters of the route.
func (v *jobView) again(c *call) {
	f := v.Job.Task.Filter
	p, err := c.d.Client.Events(c.r.Context(), control.List{Filter: control.Filter{Source: f.Source, Route: f.Route, State: "dead"}, Limit: 1000})
	if err != nil {
		return
	}
	v.Known, v.Least = true, p.Next != 0
	for _, e := range p.Events {
		for _, d := range e.Deliveries {
			if d.State == "dead" && d.Replay > 0 && !d.Ended.Before(v.Job.Began) && (f.Route == "" || f.Route == d.Route) {
				v.Again++
			}
		}
	}
	if s, err := c.d.status.get(c.r.Context()); err == nil {
		v.Waiting = 0
		for _, r := range s.Routes {
			if (f.Route == "" || f.Route == r.Route) && (f.Source == "" || f.Source == r.Source) {
				v.Waiting += r.Waiting + r.Running
			}
		}
	}
}

// Result returns what became of a job, in a word.
func (v jobView) Result() string {
	switch {
	case v.Job.Running():
		return "running"
	case v.Job.Stopped:
		return "stopped"
	}
	return cmp.Or(map[bool]string{true: "failed"}[v.Fault != ""], "done")
}

// stopJob ends a bulk change. What was changed by then stays so.
func (d *Dashboard) stopJob(c *call) error {
	if err := c.r.ParseForm(); err != nil {
		return badForm(err)
	}
	one, err := d.Jobs.get(c.r.PathValue("job"), c.now)
	if err != nil {
		return err
	}
	return c.once(func() (string, error) {
		one.cancel()
		return "/jobs/" + one.ID, nil
	})
}
