package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Defaults of a Route.
const (
	DefaultTimeout     = 10 * time.Second
	DefaultMaxInFlight = 32
	// MinRate and MaxRate bound a Rate: one attempt in a quarter of an hour is
	// slower than any app, and a million a second are no bound.
	MinRate = 0.001
	MaxRate = 1_000_000
)

// Upstream makes one attempt. It must return soon after ctx ends, and it may
// panic: the worker recovers.
type Upstream interface {
	Attempt(ctx context.Context, a Attempt) Answer
}

// UpstreamFunc is a function that is an Upstream.
type UpstreamFunc func(ctx context.Context, a Attempt) Answer

// Attempt calls f.
func (f UpstreamFunc) Attempt(ctx context.Context, a Attempt) Answer { return f(ctx, a) }

// Attempt is what an Upstream is asked to do.
type Attempt struct {
	Delivery spool.Delivery
	// N is the number of the counted attempt, from 1.
	N int
}

// Reach is how far an attempt came.
type Reach uint8

const (
	// Answered: the upstream wrote a status.
	Answered Reach = iota + 1
	// Unreached: dial, TLS or DNS failed, or no upstream is available: nothing
	// was sent.
	Unreached
	// Broken: reached, but there was a timeout, a reset, or a cut in the middle.
	Broken
	// Aborted: our own shutdown ended it, as if it had not been tried. It is
	// believed only of a dispatcher that did cancel its attempts (Drain); at any
	// other time it counts as Broken.
	Aborted
)

// Answer is what came of an attempt.
type Answer struct {
	Reach Reach
	// Status is the explicitly written status, 0 for none.
	Status int
	// RetryAfter is the answer's Retry-After, 0 for none.
	RetryAfter time.Duration
	// Response is the start of the answer's body; more than spool.MaxResponse
	// bytes are cut.
	Response []byte
	// Err is what went wrong below HTTP, nil for nothing. Its text goes into the
	// delivery's log.
	Err error
}

// Route is one route to serve.
type Route struct {
	// Key is required, and so is Upstream.
	Key      spool.RouteKey
	Upstream Upstream
	// Schedule holds the delays after the first, second and further failed
	// attempts: a delivery has one attempt more than that. nil means Platform.
	Schedule Schedule
	// Timeout bounds one attempt. Default DefaultTimeout.
	Timeout time.Duration
	// MaxInFlight bounds the attempts that run at once, over all live members of a
	// Shared store that serve the route: each takes an equal share, rounded up. Default
	// DefaultMaxInFlight.
	MaxInFlight int
	// MaxInFlightEach lets each member have all of MaxInFlight.
	MaxInFlightEach bool
	// Rate bounds the attempts a second, 0 for no bound. Burst is how many of
	// them may begin at once; 0 spreads them evenly. Both are shared as MaxInFlight is.
	Rate  float64
	Burst int
	// RateEach lets each member have all of Rate and Burst.
	RateEach bool
}

func (r Route) withDefaults() Route {
	if r.Schedule == nil {
		r.Schedule = Platform
	}
	if r.Timeout == 0 {
		r.Timeout = DefaultTimeout
	}
	if r.MaxInFlight == 0 {
		r.MaxInFlight = DefaultMaxInFlight
	}
	return r
}

func (r Route) validate() error {
	switch {
	case r.Key.Source == "" || r.Key.Route == "":
		return errors.New("source and name are required")
	case r.Upstream == nil:
		return errors.New("an upstream is required")
	case r.Timeout < 0:
		return fmt.Errorf("timeout %v is negative", r.Timeout)
	case r.MaxInFlight < 0:
		return fmt.Errorf("max_in_flight %d is negative", r.MaxInFlight)
	}
	if err := CheckRate(r.Rate, r.Burst); err != nil {
		return err
	}
	return r.Schedule.Validate()
}

// CheckRate returns what is wrong with a Rate and its Burst, and what to write instead.
func CheckRate(perSecond float64, burst int) error {
	switch {
	case perSecond != 0 && !(perSecond >= MinRate && perSecond <= MaxRate):
		return fmt.Errorf("rate is %v: give the attempts a second as 50, from %v to %v, or leave rate out for no bound", perSecond, MinRate, MaxRate)
	case burst < 0 || burst > MaxRate:
		return fmt.Errorf("burst is %d: give the attempts that may begin at once, as 10", burst)
	case burst > 0 && perSecond == 0:
		return errors.New("burst without rate: give the attempts a second too, as rate 50, or leave burst out")
	}
	return nil
}

// Observer is notified of what happens. Its methods are called synchronously, from
// several goroutines, and must be quick.
type Observer interface {
	// Attempted follows each attempt whose outcome, state, the store has taken. An
	// attempt that the store ends itself, because its lease ran out or the process
	// ended, is not reported.
	Attempted(route spool.RouteKey, d spool.Delivery, a spool.Attempt, state spool.State)
	// Held and Resumed follow a route's change, whoever caused it.
	Held(k spool.RouteKey, h spool.Hold)
	Resumed(k spool.RouteKey)
	// Slower follows each answer by which an app asked for a slower pace.
	Slower(k spool.RouteKey)
}

// Config is what a Dispatcher is made of.
type Config struct {
	// Store is required.
	Store spool.Store
	// Owner is the name under which it leases, of NewOwner. The caller knows it where
	// it has to Configure the store before, and Leave after. Default: a new one.
	Owner spool.Owner
	// Routes are those to serve, each key once.
	Routes []Route
	// Slots are shared by the dispatchers of one store, so that max_in_flight and
	// the pace of a route hold over a reload. nil means its own.
	Slots *Slots
	// Log defaults to slog.Default.
	Log *slog.Logger
	// Observer may be nil.
	Observer Observer
	// Random gives numbers in [0,1) for the jitter and is called concurrently.
	// nil means math/rand/v2.
	Random func() float64
}
