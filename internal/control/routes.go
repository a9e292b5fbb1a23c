package control

import (
	"context"
	"time"

	"github.com/inboxgate/inboxgate/internal/minutes"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// Route is one route as the API shows it.
type Route struct {
	Source string `json:"source"`
	Route  string `json:"route"`
	// State is ready, slowed, held, held by hand, or parked where no live member of the
	// store has it in its configuration.
	State string `json:"state"`
	// Waiting counts the deliveries that wait for their first or next attempt, Running
	// those of which an attempt runs, and Dead the dead letters.
	Waiting int64 `json:"waiting"`
	Running int64 `json:"running"`
	Dead    int64 `json:"dead"`
	// Oldest is when the oldest event that waits was received, zero where none does.
	Oldest time.Time `json:"oldest,omitzero"`
	// Hold is nil unless the route is held: by hand, or by each member that serves it.
	Hold *Hold `json:"hold,omitempty"`
	// HeldHere is the hold of the process that answers, where other members of the store
	// go on with the route; else nil.
	HeldHere *Hold `json:"held_here,omitempty"`
	// Pace is nil unless the route has a rate or is slowed.
	Pace *Pace `json:"pace,omitempty"`
	// RouteConfig is empty of a route that this process does not have.
	RouteConfig
	// Success and Failure are the last attempts of this process that ended well, and
	// otherwise; nil for none.
	Success *Outcome `json:"last_success,omitempty"`
	Failure *Outcome `json:"last_failure,omitempty"`
}

// RouteConfig is what the configuration has of a route.
type RouteConfig struct {
	// Upstreams are the addresses of its app, as they are written.
	Upstreams []string `json:"upstreams,omitempty"`
	// Types are the event types that it takes; none where it takes what no other does.
	Types []string `json:"types,omitempty"`
	// Schedule is how long is waited after each failed attempt, and Timeout how long an
	// attempt may take.
	Schedule []Seconds `json:"schedule_seconds,omitempty"`
	Timeout  Seconds   `json:"timeout_seconds,omitempty"`
	// MaxInFlight is how many attempts may run at once, over all members of the store
	// unless InFlightEach.
	MaxInFlight  int  `json:"max_in_flight,omitempty"`
	InFlightEach bool `json:"max_in_flight_each,omitempty"`
	// Rate is how many attempts may begin in a second, 0 for no bound, and Burst how
	// many at once; of all members unless RateEach.
	Rate     float64 `json:"rate,omitempty"`
	Burst    int     `json:"burst,omitempty"`
	RateEach bool    `json:"rate_each,omitempty"`
	// Order is the member of data by which deliveries keep their order, empty for none.
	Order string `json:"order,omitempty"`
	// If is the condition under which it takes an event, empty for none.
	If string `json:"if,omitempty"`
}

// Seconds is a time in seconds, in JSON a number.
type Seconds float64

// Duration returns it as a duration.
func (s Seconds) Duration() time.Duration {
	return time.Duration(float64(s) * float64(time.Second)).Round(time.Microsecond)
}

// Outcome is how an attempt ended.
type Outcome struct {
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms"`
	// Status is the upstream's HTTP status, 0 where it did not answer. Error says what
	// went wrong, empty after success.
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Pace is how fast a route goes.
type Pace struct {
	// Rate is the configured bound in attempts a second, 0 for none. Burst is how many
	// of them may begin at once.
	Rate  float64 `json:"rate,omitempty"`
	Burst int     `json:"burst,omitempty"`
	// Limit is the pace, in attempts a second, to which the app has slowed the route
	// since Since, and InFlight how many attempts may run at once. All three are zero
	// where it has not.
	Limit    float64   `json:"limit,omitempty"`
	InFlight int       `json:"in_flight,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	// Reason is what the app said last.
	Reason string `json:"reason,omitempty"`
	// Next is when the next attempt may begin, zero if at once.
	Next time.Time `json:"next_at,omitzero"`
	// Until is the end of the pause that the app asked for, zero where there is none.
	Until time.Time `json:"paused_until,omitzero"`
}

// Hold is why a route is held.
type Hold struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
	// Probes counts those that have failed, NextProbe is when the next is due.
	Probes    int       `json:"probes"`
	NextProbe time.Time `json:"next_probe_at,omitzero"`
}

// These are the states of a route.
const (
	RouteReady      = "ready"
	RouteSlowed     = "slowed"
	RouteHeld       = "held"
	RouteHeldByHand = "held by hand"
	RouteParked     = "parked"
)

func (a *api) routes(r *request) (any, error) {
	routes, err := a.listRoutes(r.Context())
	return struct {
		Routes []Route `json:"routes"`
	}{routes}, err
}

// listRoutes returns the routes of the store, without former names that have nothing
// left.
func (a *api) listRoutes(ctx context.Context) ([]Route, error) {
	states, err := a.Store.Routes(ctx)
	if err != nil {
		return nil, err
	}
	configured := a.Configured()
	routes := []Route{}
	for _, s := range states {
		rt := Route{
			Source: s.Key.Source, Route: s.Key.Route, State: RouteReady,
			Waiting: s.Waiting, Running: s.Running, Dead: s.Dead, Oldest: s.Oldest,
		}
		a.describe(&rt, s.Key)
		if p := a.Pace(s.Key); p.Rate > 0 || p.Limit > 0 {
			rt.Pace = &p
			if p.Limit > 0 {
				rt.State = RouteSlowed
			}
		}
		if h := s.Hold; h != nil {
			rt.State = RouteHeld
			if h.ByHand {
				rt.State = RouteHeldByHand
			}
			rt.Hold = viewHold(h)
		} else if s.HeldHere != nil {
			rt.HeldHere = viewHold(s.HeldHere)
		}
		if !configured[s.Key] && s.Served == 0 {
			rt.State = RouteParked
			if s.Waiting+s.Running+s.Dead == 0 {
				continue // A name that once was, with nothing left.
			}
		}
		routes = append(routes, rt)
	}
	return routes, nil
}

// describe adds what the configuration has of a route, and how its last attempts ended.
func (a *api) describe(rt *Route, k spool.RouteKey) {
	if a.Route != nil {
		rt.RouteConfig = a.Route(k)
	}
	if !a.Minutes.Has(k.Source, k.Route) {
		return
	}
	good, bad := a.Minutes.Route(k.Source, k.Route).Last()
	rt.Success, rt.Failure = viewOutcome(good), viewOutcome(bad)
}

func viewOutcome(o minutes.Outcome) *Outcome {
	if o.At.IsZero() {
		return nil
	}
	return &Outcome{At: o.At, DurationMS: o.Took.Milliseconds(), Status: o.Status, Error: o.Error}
}

func viewHold(h *spool.Hold) *Hold { return &Hold{h.Since, h.Reason, h.Probes, h.NextProbe} }
