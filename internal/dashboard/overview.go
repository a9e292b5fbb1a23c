package dashboard

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/page"
)

// mostRoutes is how many routes a page shows.
const mostRoutes = 100

// overview is what is seen in one look.
type overview struct {
	frame
	Status control.Status
	// Problems are what is wrong, the worst first.
	Problems []problem
	// Accepted are the new events of each minute, and P99 the slowest answers.
	Accepted, P99 page.Plot
	// Answer is the 99th percentile of the answers of the last five minutes in
	// milliseconds, negative where there were none.
	Answer float64
	// Decide is how much waits for a decision, in words, empty for nothing.
	Decide string
	// Percent is how much of the room is used, -1 where that is not known.
	Percent int
	Routes  []*routeRow
	// Shown is the number of the first route, Count of all that have the name that is
	// searched for, Known of all.
	Shown, Count, Known int
	// Search is what was searched for in the names of routes.
	Search string
	// Previous and Next are addresses of other parts of a long list, empty for none.
	Previous, Next template.URL
	Refused        []refused
	Unused         []control.Secret
}

// problem is something that is wrong, and where to look.
type problem struct {
	Text, Path, Link string
	Warn             bool // it is no failure yet
}

// routeRow is one route in a table.
type routeRow struct {
	control.Route
	// Failing reports that it is neither held nor slowed, and its last attempt failed a
	// short while ago.
	Failing bool
	// Plot is of what was delivered and failed, Minute what was delivered in the last
	// five minutes by the minute, negative where unknown. P99 is in milliseconds.
	Plot   page.Plot
	Minute float64
	P99    float64
}

// Why returns why a route does not go on as it could, empty where it does.
func (r *routeRow) Why() string {
	var parts []string
	switch {
	case r.Hold != nil:
		parts = append(parts, r.heldFor())
	case r.HeldHere != nil:
		parts = append(parts, "held by this process alone: "+r.HeldHere.Reason)
	case r.Pace != nil && r.Pace.Limit > 0:
		parts = append(parts, "slowed by its app: "+r.Pace.Reason)
	case r.Failing:
		parts = append(parts, "the last attempt failed: "+said(r.Failure))
	case r.State == control.RouteParked:
		parts = append(parts, "not configured any more")
	}
	return strings.Join(parts, " · ")
}

// ended returns how an attempt ended: its status, and what the error says beside that.
func ended(status int, text string) string {
	if status == 0 {
		return text
	}
	n := strconv.Itoa(status)
	if rest, ok := strings.CutPrefix(text, "status "+n); ok {
		return n + rest
	}
	return strings.TrimSpace(n + " " + text)
}

// beside returns what an error says beside the status.
func beside(status int, text string) string {
	return strings.TrimLeft(strings.TrimPrefix(text, "status "+strconv.Itoa(status)), ": ")
}

// said returns how an attempt ended that failed, in words.
func said(o *control.Outcome) string {
	if o.Status == 0 {
		return o.Error
	}
	return "its app answered " + ended(o.Status, o.Error)
}

// heldFor returns why a route is held: of an answer a hold tells the status alone.
func (r *routeRow) heldFor() string {
	if rest, ok := strings.CutPrefix(r.Hold.Reason, "status "); ok && r.State == control.RouteHeld {
		return "its app answered " + rest
	}
	return r.Hold.Reason
}

// Held returns the hold of a route, nil for none.
func (r *routeRow) Held() *control.Hold { return cmp.Or(r.Hold, r.HeldHere) }

// CanHold reports whether it makes sense to hold a route.
func (r *routeRow) CanHold() bool {
	return r.State != control.RouteHeldByHand && r.State != control.RouteParked
}

// CanResume reports whether it makes sense to resume a route.
func (r *routeRow) CanResume() bool { return r.Hold != nil || r.HeldHere != nil }

// CanRetry reports whether it makes sense to attempt at once what waits.
func (r *routeRow) CanRetry() bool {
	return r.Waiting > 0 && r.Hold == nil && r.HeldHere == nil && r.State != control.RouteParked
}

// ID returns what a route's row is known by when the page is refreshed.
func (r *routeRow) ID() string { return rowID(r.Source, r.Route.Route) }

func rowID(source, route string) string {
	sum := sha256.Sum256([]byte(source + "\x00" + route))
	return "route-" + hex.EncodeToString(sum[:6])
}

// Path returns the address of a route's page.
func (r *routeRow) Path() string { return routePath(r.Source, r.Route.Route) }

func routePath(source, route string) string {
	return "/route?" + url.Values{"source": {source}, "route": {route}}.Encode()
}

// failingFor is how long a failure makes a route look as failing.
const failingFor = 15 * time.Minute

// behind reports whether much waits for a route that could have gone on for a while.
func (r *routeRow) behind(now time.Time) bool {
	return r.State != control.RouteParked && r.Waiting >= 100 && now.Sub(r.Oldest) > 5*time.Minute
}

// rank orders routes: what needs somebody comes first.
func (r *routeRow) rank() int {
	switch {
	case r.State == control.RouteHeld:
		return 0
	case r.State == control.RouteHeldByHand:
		return 1
	case r.HeldHere != nil, r.Failing:
		return 2
	case r.State == control.RouteSlowed:
		return 3
	case r.State == control.RouteParked:
		return 4
	case r.Dead > 0:
		return 5
	case r.Waiting > 0:
		return 6
	}
	return 7
}

// rowsOf returns the routes of a status, what needs somebody first.
func rowsOf(s control.Status, m control.Minutes, now time.Time) []*routeRow {
	type key struct{ source, route string }
	lately := map[key]control.RouteMinutes{}
	for _, r := range m.Routes {
		lately[key{r.Source, r.Route}] = r
	}
	all := make([]*routeRow, 0, len(s.Routes))
	for _, r := range s.Routes {
		row := &routeRow{Route: r, Minute: -1, P99: -1}
		// Where nothing waits, what failed has been delivered since, by another process it may
		// be, or is a dead letter, which is told as such.
		if f := r.Failure; r.State == control.RouteReady && r.Waiting > 0 && f != nil && now.Sub(f.At) < failingFor {
			row.Failing = r.Success == nil || r.Success.At.Before(f.At)
		}
		if of, ok := lately[key{r.Source, r.Route}]; ok {
			row.add(of, m.Minutes)
		}
		all = append(all, row)
	}
	slices.SortStableFunc(all, func(a, b *routeRow) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Route.Route, b.Route.Route))
	})
	return all
}

// add sets what the last minutes of a route were.
func (r *routeRow) add(of control.RouteMinutes, times []time.Time) {
	const lately = 5
	r.Plot = page.Plot{
		ID: r.ID() + "-plot", Title: "Deliveries a minute of " + of.Route, Times: times, Bare: true,
		Series: []page.Series{{Name: "delivered", Values: floats(of.Delivered)}, {Name: "failed", Values: floats(of.Failed)}},
	}
	if n := min(lately, len(of.Delivered)); n > 0 {
		r.Minute = float64(control.Lately(of.Delivered, n)) / float64(n)
		if r.Minute >= 10 {
			r.Minute = math.Round(r.Minute)
		} else {
			r.Minute = math.Round(10*r.Minute) / 10
		}
	}
	r.P99 = worst(of.P99, lately)
}

func floats(all []int64) []float64 {
	out := make([]float64, len(all))
	for i, n := range all {
		out[i] = float64(n)
	}
	return out
}

// worst returns the largest of the last n values, -1 where none is above 0.
func worst(all []float64, n int) float64 {
	top := -1.0
	for _, v := range all[max(0, len(all)-n):] {
		if v > 0 {
			top = max(top, v)
		}
	}
	return top
}

// overview shows how inboxgate is, in one look.
func (d *Dashboard) overview(c *call) error {
	s, err := d.status.get(c.r.Context())
	if err != nil {
		return err
	}
	m, err := d.minutes.get(c.r.Context())
	if err != nil && statusOf(err) != http.StatusNotFound {
		return err
	}
	v := overview{Status: s, Percent: -1, Decide: decisions(s)}
	if s.Max > 0 {
		v.Percent = int(100 * s.Store.Used / s.Max)
	}
	v.plots(m)
	v.Refused, v.Unused = refusedIn(s), unusedIn(s, c.now)
	all := rowsOf(s, m, c.now)
	v.Problems = problems(s, all, c.now)
	v.choose(c.r.URL.Query(), all)
	v.frame = c.frame("Overview", "/")
	v.Every = 2
	return c.show("overview", http.StatusOK, v)
}

// plots sets what the last hour of all sources was.
func (v *overview) plots(m control.Minutes) {
	accepted, p99 := make([]float64, len(m.Minutes)), make([]float64, len(m.Minutes))
	for _, s := range m.Sources {
		for i := range m.Minutes {
			if i < len(s.Accepted) && i < len(s.P99) {
				accepted[i] += float64(s.Accepted[i])
				p99[i] = max(p99[i], s.P99[i])
			}
		}
	}
	v.Answer = worst(p99, 5)
	v.Accepted = page.Plot{ID: "accepted", Title: "New events a minute, the last hour", Times: m.Minutes, Series: []page.Series{{Name: "new events", Values: accepted}}}
	v.P99 = page.Plot{ID: "answers", Title: "Answer time in which 99 of 100 were answered, by the minute", Times: m.Minutes, Format: millis, Series: []page.Series{{Name: "answer", Values: p99}}}
}

// millis returns milliseconds in words.
func millis(v float64) string {
	if v <= 0 {
		return "–"
	}
	return page.Duration(time.Duration(v * float64(time.Millisecond)))
}

// choose takes the part of the routes that an address asks for.
func (v *overview) choose(q url.Values, all []*routeRow) {
	v.Known, v.Search = len(all), strings.TrimSpace(q.Get("named"))
	if v.Search != "" {
		all = slices.DeleteFunc(all, func(r *routeRow) bool {
			return !strings.Contains(strings.ToLower(r.Source+" "+r.Route.Route), strings.ToLower(v.Search))
		})
	}
	v.Count = len(all)
	from, _ := strconv.Atoi(q.Get("from")) // What is no number is the begin.
	from = min(max(from, 0), max(len(all)-1, 0))
	v.Shown = from + 1
	at := func(n int) template.URL {
		words := url.Values{"from": {strconv.Itoa(n)}}
		if v.Search != "" {
			words.Set("named", v.Search)
		}
		return template.URL("/?" + words.Encode()) // Encode has escaped it.
	}
	if from > 0 {
		v.Previous = at(max(from-mostRoutes, 0))
	}
	if from+mostRoutes < len(all) {
		v.Next = at(from + mostRoutes)
	}
	v.Routes = all[from:min(from+mostRoutes, len(all))]
}

// mostProblems is how many problems of a kind are named one by one.
const mostProblems = 3

// problems returns what is wrong.
func problems(s control.Status, all []*routeRow, now time.Time) (list []problem) {
	if !s.Takes {
		list = append(list, problem{Text: "New events are refused with 503: " + cmp.Or(s.Why, "the store does not work") + ". The platform sends them again for 2 h 42 min.", Path: "/store", Link: "Store"})
	}
	held, byHand, failing, behind := 0, 0, 0, 0
	for _, r := range all {
		switch {
		case r.State == control.RouteHeld:
			if held++; held <= mostProblems {
				list = append(list, problem{Text: "Route " + r.Route.Route + " is held: " + r.heldFor() + ". " + page.Count(r.Waiting) + " wait.", Path: r.Path(), Link: r.Route.Route})
			}
		case r.State == control.RouteHeldByHand:
			if byHand++; byHand <= mostProblems {
				list = append(list, problem{Text: "Route " + r.Route.Route + " is held by hand: " + r.Hold.Reason + ". " + page.Count(r.Waiting) + " wait.", Path: r.Path(), Link: r.Route.Route, Warn: true})
			}
		case r.Failing:
			if failing++; failing <= mostProblems {
				list = append(list, problem{Text: "Route " + r.Route.Route + " is failing: " + said(r.Failure) + ". " + page.Count(r.Waiting) + " wait.", Path: r.Path(), Link: r.Route.Route, Warn: true})
			}
		case r.behind(now):
			if behind++; behind <= mostProblems {
				list = append(list, problem{Text: "Route " + r.Route.Route + " is behind: " + page.Count(r.Waiting) + " wait, the oldest for " + page.Duration(now.Sub(r.Oldest).Truncate(time.Second)) + ".", Path: r.Path(), Link: r.Route.Route, Warn: true})
			}
		}
	}
	if more := max(behind-mostProblems, 0) + max(held-mostProblems, 0) + max(byHand-mostProblems, 0) + max(failing-mostProblems, 0); more > 0 {
		list = append(list, problem{Text: page.Count(more) + " more routes are held, failing or behind: they are the first of the table.", Path: "/#routes", Link: "Routes"})
	}
	if n := decisions(s); n != "" {
		text := n + " wait for a decision: "
		if n == "1" {
			text = "1 waits for a decision: "
		}
		var parts []string
		letters := "dead letters"
		if s.Dead.Total == 1 {
			letters = "dead letter"
		}
		if kinds := len(s.Dead.Groups); kinds > 1 {
			letters += " of " + page.Count(kinds) + " kinds"
		}
		for _, part := range []struct {
			n    int64
			name string
		}{{s.Dead.Total, letters}, {s.Store.Quarantined, "in quarantine"}, {parkedIn(s), "parked"}} {
			if part.n > 0 {
				parts = append(parts, page.Count(part.n)+" "+part.name)
			}
		}
		list = append(list, problem{Text: text + strings.Join(parts, ", ") + ".", Path: "/decide", Link: "Decide", Warn: true})
	}
	// A burst of some minutes on an empty disk is no trouble; the card has the figure.
	if full := s.Full.Duration(); full > 0 && (full < time.Hour || full < 72*time.Hour && s.Max > 0 && s.Store.Used > s.Max/4) {
		list = append(list, problem{Text: "At the pace of the last minutes the store is full in " + page.Duration(full) + ".", Path: "/store", Link: "Store", Warn: true})
	}
	return list
}
