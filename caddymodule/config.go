package caddymodule

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/handlers"
	"github.com/inboxgate/inboxgate/internal/routing"
	"github.com/inboxgate/inboxgate/internal/settings"
)

// Defaults of a webhook.
const (
	defaultName        = "inbox"
	defaultMaxBody     = 1 << 20
	defaultReadTimeout = 5 * time.Second
	defaultAckTimeout  = settings.MaxAckTimeout
	answerWithin       = settings.AnswerWithin
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
	staleQuarantine = settings.StaleQuarantine
	staleDeliver    = settings.StaleDeliver
)

// check lists every mistake of the configuration, each with its fix.
func (s *Source) check() []error { return s.plain().Check(directiveName) }

// fits refuses schedules that retention would cut short.
func (s *Source) fits(retention time.Duration) error { return s.plain().Fits(retention, appID) }

// plain returns the configuration without what Caddy needs of it.
func (s *Source) plain() settings.Source {
	plain := settings.Source{
		Name: s.Name, MaxBody: s.MaxBody, ReadTimeout: time.Duration(s.ReadTimeout), AckTimeout: time.Duration(s.AckTimeout),
		Stale: s.Stale, Types: s.Types, Pass: s.Pass,
	}
	for i := range s.Routes {
		r := &s.Routes[i]
		plain.Routes = append(plain.Routes, settings.Route{
			Route: r.rule(), Was: r.Was, Schedule: r.schedule(), Timeout: time.Duration(r.Timeout),
			MaxInFlight: r.MaxInFlight, MaxInFlightEach: r.MaxInFlightEach,
			Rate: r.Rate, Burst: r.Burst, RateEach: r.RateEach, Handlers: r.HandleRaw,
		})
	}
	return plain
}
