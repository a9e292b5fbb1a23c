package settings

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/handlers"
	"github.com/inboxgate/inboxgate/internal/routing"
)

// Route is what is configured of one receiver of events.
type Route struct {
	routing.Route
	// Was is the route's former name, empty for none.
	Was string
	// Schedule is what waits between attempts; nil is the platform's own.
	Schedule deliver.Schedule
	// Timeout is that of one attempt, 0 for the default.
	Timeout time.Duration
	// MaxInFlight is how many attempts may run at once, 0 for the default.
	// MaxInFlightEach says that each process may run so many.
	MaxInFlight     int
	MaxInFlightEach bool
	// Rate is in attempts a second, 0 for no bound; Burst of them may begin at once.
	// RateEach gives all of it to each process.
	Rate     float64
	Burst    int
	RateEach bool
	// Handlers are the JSON of Caddy's handlers.
	Handlers []json.RawMessage
}

// check lists every mistake of the route. own are the source's own event types.
func (r Route) check(own []string, directive string) []error {
	var errs []error
	add := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("route %q: %w", r.Name, fmt.Errorf(format, args...)))
	}
	if err := routing.CheckName("name", r.Name); err != nil {
		add("%w", err)
	}
	for _, t := range r.Types {
		if err := routing.CheckType(t, own); err != nil {
			add("%w", err)
		}
	}
	if err := r.Check(); err != nil {
		add("%w", err)
	}
	if len(r.Schedule) > 0 {
		if err := r.Schedule.Validate(); err != nil {
			add("retry: %w", err)
		}
	}
	if r.Timeout < 0 {
		add("timeout is negative: give a duration such as 10s")
	}
	if r.MaxInFlight < 0 {
		add("max_in_flight is negative: give a number such as 32")
	}
	if r.MaxInFlightEach && r.MaxInFlight == 0 {
		add("max_in_flight_each without max_in_flight: give a number such as 32 too, or leave it out")
	}
	if r.RateEach && r.Rate == 0 {
		add("rate_each without rate: give the attempts a second too, as rate 50, or leave it out")
	}
	if err := deliver.CheckRate(r.Rate, r.Burst); err != nil {
		add("%w", err)
	}
	if len(r.Handlers) == 0 {
		add("no upstream: give an address such as app:3000, or a handle block")
	}
	for _, raw := range r.Handlers {
		if handlers.Mentions(raw, directive) {
			add("%s inside its own route: an event would come back to itself", directive)
		}
	}
	return errs
}

// span returns how long after the first attempt the last one is due.
func (r Route) span() (total time.Duration) {
	schedule := r.Schedule
	if schedule == nil {
		schedule = deliver.Platform
	}
	for _, d := range schedule {
		total += d
	}
	return total
}
