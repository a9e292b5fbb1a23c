package caddymodule

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/body"
	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/handlers"
	"github.com/inboxgate/inboxgate/internal/routing"
)

// Defaults of a webhook.
const (
	defaultName        = "inbox"
	defaultMaxBody     = 1 << 20
	minMaxBody         = 1000
	defaultReadTimeout = 5 * time.Second
	defaultAckTimeout  = 8 * time.Second
	// The platform gives up after 10 s; by then our answer is long there.
	answerWithin = 8 * time.Second
)

// Source is the configuration of one webhook endpoint. Handlers of the same
// name and equal configuration are one source: they share ids and routes.
type Source struct {
	// The source's name. Event ids, routes and the log belong to it, so keep
	// it when you move the endpoint. Default: `inbox`.
	Name string `json:"name,omitempty"`

	// The secrets under which a signature is valid; any of them will do.
	// Default: what the environment holds in `INBOX_WEBHOOK_SECRET`, or in the
	// file named by `INBOX_WEBHOOK_SECRET_FILE`.
	Secrets []Secret `json:"secrets,omitempty"`

	// Bodies larger than this many bytes are refused with 413. At least 1000.
	// Default: 1048576 (1 MiB).
	MaxBody int64 `json:"max_body,omitempty"`

	// A request whose body has not arrived by then is refused with 408.
	// Default: 5s. At most 7s, because the answer must come within 8s.
	ReadTimeout caddy.Duration `json:"read_timeout,omitempty"`

	// Event types of your own that `routes` may name, besides the platform's
	// `message.delivered`, `message.read`, `message.failed` and
	// `message.action`. Any other word there is taken for a mistake.
	Types []string `json:"types,omitempty"`

	// What becomes of a signed event whose `created_at` is older than the
	// window: `quarantine` keeps it for an operator, `deliver` treats it as
	// new. With `deliver`, a captured request that is older than the window
	// can be replayed once a window. Default: `quarantine`.
	Stale string `json:"stale,omitempty"`

	// Where events go. Each route whose types match gets a copy of its own.
	Routes []Route `json:"routes,omitempty"`

	// Hand events to the next handler of the site instead of routes: nothing
	// is stored, and its 2xx is the answer. Duplicates are known from memory
	// alone, so a restart forgets them, and nothing is retried but by the platform.
	Pass bool `json:"pass,omitempty"`

	// With `pass`: how long the next handler may take. After that the answer is an
	// error, and the platform tries again. Default: 8s, which is also the maximum.
	AckTimeout caddy.Duration `json:"ack_timeout,omitempty"`
}

// Database is a database that holds the store, so that several machines share it.
type Database struct {
	// What kind of database it is: `postgres`, which is the only one.
	Engine string `json:"engine,omitempty"`

	// The address, as a URL such as `postgres://user@host:5432,host2/database` or
	// in libpq's form. Best a placeholder, `{env.NAME}` or `{file./path}`: an
	// address with the password written into it is refused, because logs and the
	// admin API would show it. A file is read again at each new connection.
	// Default: what the environment holds in `INBOX_DATABASE_URL`, or in the file
	// named by `INBOX_DATABASE_URL_FILE`.
	DSN string `json:"dsn,omitempty"`

	// What an event must reach before it is answered with 200: `local` is the
	// database's disk, and `replica` a synchronous standby as well. With `replica`
	// new events get 503 while the server names no such standby. Default: `local`.
	Durability string `json:"durability,omitempty"`

	// How many batches of events may wait for their commit at once, 1 or 2. With 2
	// there are more events a second where a commit waits for a network, and the
	// database works more for each. Default: 1.
	Batches int `json:"batches,omitempty"`

	// What this process is called among those that share the store, in `store
	// members` and the audit log: at most 53 bytes. Default: the machine's name.
	Name string `json:"name,omitempty"`
}

// Secret is one signing secret, at least 16 bytes long.
type Secret struct {
	// The secret, best as a placeholder: `{env.NAME}` or `{file./path}`. One
	// that is unknown or empty refuses to start. A file may hold several, one a line.
	Value string `json:"value,omitempty"`

	// After this time the secret is no longer accepted. Default: for ever.
	Until *time.Time `json:"until,omitempty"`

	// The value may be unset: then this secret is skipped. For the old one
	// during a rotation.
	Optional bool `json:"optional,omitempty"`
}

// Route is one receiver of events.
type Route struct {
	// The route's name, unique in its source. Waiting deliveries belong to
	// it, so keep it when the upstream moves. Required.
	Name string `json:"name,omitempty"`

	// The event types that it takes: `message.failed`, `message.*` or `*`.
	// None makes it the route for types that no other route took.
	Types []string `json:"types,omitempty"`

	// The name that this route had before: deliveries waiting for that one
	// are taken over.
	Was string `json:"was,omitempty"`

	// How long to wait after each failed attempt before the next. One attempt
	// more than there are entries, 20 at most, then the delivery is a dead
	// letter. Default: the platform's own: 30s, 2m, 8m, 32m, 2h.
	Retry []caddy.Duration `json:"retry,omitempty"`

	// How long one attempt may take. Default: 10s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// How many attempts of this route may run at once. Where several inboxgates
	// share a store, this is of all of them together: each that serves the route takes
	// an equal share, rounded up, at least 1. As `8 each`, each may run so many.
	// Default: 32.
	MaxInFlight int `json:"max_in_flight,omitempty"`

	// Give each inboxgate that shares the store all of `max_in_flight`, as where each
	// has an app of its own beside it. Default: they share it.
	MaxInFlightEach bool `json:"max_in_flight_each,omitempty"`

	// How many attempts of this route may begin in a second, `0.001` to
	// `1000000`; also less than one, as `0.5`. What is more waits in the store, in
	// its turn. An app that answers 429 is given its time without this. Shared by
	// several inboxgates as `max_in_flight` is, and as `50 each` or `50 10 each` not.
	// Default: no bound.
	Rate float64 `json:"rate,omitempty"`

	// With `rate`, how many of them may begin at once. Shared as `max_in_flight` is,
	// unless `rate_each` is set. Default: they are spread evenly.
	Burst int `json:"burst,omitempty"`

	// Give each inboxgate that shares the store all of `rate` and `burst`. Default:
	// they share them.
	RateEach bool `json:"rate_each,omitempty"`

	// Deliver events that have the same value in this member of `data`, as
	// `message_id`, one after another in the order of their receipt: the next one waits
	// until the one before is delivered or a dead letter, however long its retries take.
	// Events with other values, and those that have none, are not delayed. Default: no
	// order.
	Order string `json:"order,omitempty"`

	// Take only events of which this CEL expression is true, over `event` (`id`, `type`,
	// `source`, `created_at`, `received_at`) and `data`, as
	// `data.error_code == "expired"`. What it is not true of counts as not taken by this
	// route; so does what it cannot judge, as a member that is missing, which is counted
	// in `inbox_condition_errors_total`. Default: every event of the types.
	If string `json:"if,omitempty"`

	// The handlers that bring an event to the app, run in order as if the
	// platform had called them. Their explicitly written 2xx is success.
	HandleRaw []json.RawMessage `json:"handle,omitempty" caddy:"namespace=http.handlers inline_key=handler"`

	upstream *chain // HandleRaw, compiled; nil before Provision.
}

// rule is what decides about the route's events.
func (r *Route) rule() routing.Route {
	return routing.Route{Name: r.Name, Types: r.Types, Order: r.Order, If: r.If}
}

func (r *Route) schedule() deliver.Schedule {
	var s deliver.Schedule
	for _, d := range r.Retry {
		s = append(s, time.Duration(d))
	}
	return s
}

// shown returns what operators see of a route's configuration.
func (r *Route) shown() control.RouteConfig {
	c := control.RouteConfig{
		Upstreams: handlers.Dials(r.HandleRaw...), Types: r.Types,
		Timeout:     control.Seconds(cmp.Or(time.Duration(r.Timeout), deliver.DefaultTimeout).Seconds()),
		MaxInFlight: cmp.Or(r.MaxInFlight, deliver.DefaultMaxInFlight), InFlightEach: r.MaxInFlightEach,
		Rate: r.Rate, Burst: r.Burst, RateEach: r.RateEach, Order: r.Order, If: r.If,
	}
	schedule := r.schedule()
	if schedule == nil {
		schedule = deliver.Platform
	}
	for _, d := range schedule {
		c.Schedule = append(c.Schedule, control.Seconds(d.Seconds()))
	}
	return c
}

// setDefaults fills zero fields.
func (s *Source) setDefaults() {
	if s.Name == "" {
		s.Name = defaultName
	}
	if s.MaxBody == 0 {
		s.MaxBody = defaultMaxBody
	}
	if s.ReadTimeout == 0 {
		s.ReadTimeout = caddy.Duration(defaultReadTimeout)
	}
	if s.AckTimeout == 0 && s.Pass {
		s.AckTimeout = caddy.Duration(defaultAckTimeout)
	}
	if s.Stale == "" {
		s.Stale = staleQuarantine
	}
}

const (
	staleQuarantine = "quarantine"
	staleDeliver    = "deliver"
)

// check lists every mistake of the configuration, each with its fix.
func (s *Source) check() []error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := routing.CheckName("name", s.Name); err != nil {
		errs = append(errs, err)
	}
	if most := body.Process().Largest(); s.MaxBody < 0 || s.MaxBody > most {
		add("max_body is %d bytes: give a size such as 1MiB, at most %dMiB: an eighth of the memory limit, and never more than 128MiB", s.MaxBody, most>>20)
	}
	if s.MaxBody > 0 && s.MaxBody < minMaxBody {
		add("max_body is %d bytes, which hardly an event fits into: give at least 1kB, for example 1MiB", s.MaxBody)
	}
	if t := time.Duration(s.ReadTimeout); t < 0 || t > answerWithin-time.Second {
		add("read_timeout is %s: it must lie between 0 and 7s, because the answer comes within 8s", t)
	}
	if t := time.Duration(s.AckTimeout); t != 0 && !s.Pass {
		add("ack_timeout without pass: remove it, or give the route a `timeout` (events that are stored are answered without waiting for an app)")
	} else if t < 0 || t > defaultAckTimeout {
		add("ack_timeout is %s: it must lie between 0 and 8s, because the platform waits 10s", t)
	}
	if s.Stale != staleQuarantine && s.Stale != staleDeliver {
		add("stale is %q: say `stale quarantine` or `stale deliver`", s.Stale)
	}
	switch {
	case s.Pass && len(s.Routes) > 0:
		add("both pass and routes: remove `pass`, or remove every `on` and `to`")
	case !s.Pass && len(s.Routes) == 0:
		add("no routes: say where events go (`to app:3000` or `on message.failed alerts:9000`), or `pass` to hand them to the next handler")
	}
	names := make(map[string]bool)
	for i := range s.Routes {
		r := &s.Routes[i]
		if names[r.Name] {
			add("two routes are named %q: give one of them another `name`", r.Name)
		}
		names[r.Name] = true
		errs = append(errs, r.check(s.Types)...)
	}
	heirs := make(map[string]string)
	for _, r := range s.Routes {
		if other, ok := heirs[r.Was]; ok && r.Was != "" {
			add("routes %q and %q were both %q: only one of them can take its deliveries over", other, r.Name, r.Was)
		}
		heirs[r.Was] = r.Name
		if r.Was != "" && names[r.Was] {
			add("route %q was %q, which is a route still: remove `was %s`, or rename the other", r.Name, r.Was, r.Was)
		}
	}
	if n := countFallbacks(s.Routes); n > 1 {
		add("%d routes without types: one `to` takes what no `on` took; several addresses in it are replicas", n)
	} else if n == 1 {
		for _, r := range s.Routes {
			if slices.Contains(r.Types, "*") && r.If == "" {
				add("`on *` (route %q) takes every event, so that nothing is left for `to`: remove the `to`, or make it an `on *` too if both apps shall get every event", r.Name)
			}
		}
	}
	return errs
}

func countFallbacks(routes []Route) (n int) {
	for _, r := range routes {
		if len(r.Types) == 0 {
			n++
		}
	}
	return n
}

func (r *Route) check(own []string) []error {
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
	if err := r.rule().Check(); err != nil {
		add("%w", err)
	}
	if len(r.Retry) > 0 {
		if err := r.schedule().Validate(); err != nil {
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
	if len(r.HandleRaw) == 0 {
		add("no upstream: give an address such as app:3000, or a handle block")
	}
	for _, raw := range r.HandleRaw {
		if handlers.Mentions(raw, directiveName) {
			add("%s inside its own route: an event would come back to itself", directiveName)
		}
	}
	return errs
}

// fits refuses schedules that retention would cut short.
func (s *Source) fits(retention time.Duration) error {
	for _, r := range s.Routes {
		schedule := r.schedule()
		if schedule == nil {
			schedule = deliver.Platform
		}
		var total time.Duration
		for _, d := range schedule {
			total += d
		}
		if total >= retention {
			return fmt.Errorf("route %q: its retries span %s, but what waits for longer than retention (%s) becomes a dead letter: raise retention in the global option %s, or shorten retry", r.Name, total, retention, appID)
		}
	}
	return nil
}
