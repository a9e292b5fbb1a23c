package caddymodule

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/idmemory"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/routing"
	"github.com/inboxgate/inboxgate/internal/secrets"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/tracing"
)

// source is one webhook endpoint in life, shared by the handlers of its name.
type source struct {
	Source             // As configured, with its defaults.
	fingerprint string // Its JSON: handlers of one name must have the same.
	failed      error  // Of provision, for the handlers that join later.

	secrets secrets.Secrets
	// meters returns the source's counters. They are made when they are first needed: a
	// configuration that never runs shall leave no series behind.
	meters  func() *metrics.Source
	tracing tracing.Source
	refused metrics.Burst // Of requests without a valid signature.
	puzzle  *secrets.Puzzle
	table   *routing.Table   // Finds the routes of an event.
	keys    []spool.RouteKey // Of Routes, in their order.
	// memory is a reference to the pool's in pass mode, where there is no store; else
	// nil. The set's lock guards it once provisioned.
	memory *idmemory.Memory
}

// provision makes what a source needs of Caddy, once for all its handlers.
func (s *source) provision(ctx caddy.Context, window time.Duration) (warnings []string, err error) {
	signatures := func(fingerprint string) secrets.Counter { return metrics.Process().Signatures(s.Name, fingerprint) }
	if warnings, err = s.secrets.Open(s.Name, configsOf(s.Secrets), replacePlaceholders, signatures); err != nil {
		return nil, err
	}
	s.meters = sync.OnceValue(func() *metrics.Source { return metrics.Process().Source(s.Name) })
	for i := range s.Routes {
		if err := s.Routes[i].compile(ctx); err != nil {
			return nil, err
		}
		s.Routes[i].upstream.tracing = &s.tracing
		s.keys = append(s.keys, spool.RouteKey{Source: s.Name, Route: s.Routes[i].Name})
	}
	rules := make([]routing.Route, len(s.Routes))
	for i, r := range s.Routes {
		rules[i] = r.rule()
	}
	if s.table, err = routing.NewTable(rules, s.Types, s.unclear(ctx.Slogger())); err != nil {
		return nil, err
	}
	if s.Pass {
		if s.memory, err = openMemory(s.Name, window); err != nil {
			return nil, err
		}
	}
	return warnings, nil
}

// begin makes the source's series, at 0.
func (s *source) begin() {
	s.meters()
	s.secrets.Set().Begin()
	for i, r := range s.Routes {
		if r.If != "" {
			metrics.Process().Unclear(s.keys[i])
		}
	}
}

// unclear counts the events of which a route's `if` is neither true nor false, and logs
// the first of each route.
func (s *source) unclear(log *slog.Logger) func(route int, why error) {
	told := make([]sync.Once, len(s.Routes))
	return func(route int, why error) {
		metrics.Process().Unclear(s.keys[route]).Inc()
		told[route].Do(func() {
			log.Warn("an `if` is neither true nor false of an event, which does not match then; such events are counted from now on, and not logged", "source", s.Name, "route", s.Routes[route].Name, "why", why.Error())
		})
	}
}

// markAs gives attempts the mark by which the source knows what comes back to it.
func (s *source) markAs(mark string) {
	for i := range s.Routes {
		s.Routes[i].upstream.mark = mark
	}
}

func (s *source) routeNames() []spool.RouteName {
	names := make([]spool.RouteName, len(s.Routes))
	for i, r := range s.Routes {
		names[i] = spool.RouteName{Name: r.Name, Was: r.Was}
	}
	return names
}

func (s *source) deliverRoutes() []deliver.Route {
	routes := make([]deliver.Route, len(s.Routes))
	for i, r := range s.Routes {
		routes[i] = deliver.Route{
			Key:         s.keys[i],
			Upstream:    r.upstream,
			Schedule:    r.schedule(),
			Timeout:     time.Duration(r.Timeout),
			MaxInFlight: r.MaxInFlight, MaxInFlightEach: r.MaxInFlightEach,
			Rate: r.Rate, Burst: r.Burst, RateEach: r.RateEach,
		}
	}
	return routes
}

// sourceSet holds the sources of one configuration by name.
type sourceSet struct {
	mu     sync.Mutex
	byName map[string]*source // Guarded by mu.
}

// join returns the source of that configuration: a new one, or the one that an
// equal handler has made.
func (s *sourceSet) join(conf Source) (src *source, made bool, err error) {
	raw, err := json.Marshal(conf)
	if err != nil {
		return nil, false, fmt.Errorf("encoding source %s: %w", conf.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.byName[conf.Name]; old != nil {
		if old.fingerprint != string(raw) {
			return nil, false, fmt.Errorf("two %s handlers are named %q but differ: give one of them another `name`, or make them equal", directiveName, conf.Name)
		}
		return old, false, nil
	}
	if s.byName == nil {
		s.byName = make(map[string]*source)
	}
	src = &source{Source: conf, fingerprint: string(raw), puzzle: secrets.NewPuzzle()}
	s.byName[conf.Name] = src
	return src, true, nil
}

// renamed maps the former names of a source's routes to their new ones.
func (s *sourceSet) renamed(source string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make(map[string]string)
	if src := s.byName[source]; src != nil {
		for _, r := range src.Routes {
			if r.Was != "" {
				names[r.Was] = r.Name
			}
		}
	}
	return names
}

// find returns the source of that name that has routes, or nil.
func (s *sourceSet) find(name string) *source {
	s.mu.Lock()
	defer s.mu.Unlock()
	if src := s.byName[name]; src != nil && !src.Pass {
		return src
	}
	return nil
}

func (s *sourceSet) routed() []*source {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*source
	for _, src := range s.byName {
		if !src.Pass {
			all = append(all, src)
		}
	}
	return all
}

// all lists the sources, also those without routes.
func (s *sourceSet) all() []*source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.byName))
}

// sorted is all, by name.
func (s *sourceSet) sorted() []*source {
	return slices.SortedFunc(slices.Values(s.all()), func(a, b *source) int { return strings.Compare(a.Name, b.Name) })
}

// forget gives back what the sources of one configuration hold.
func (s *sourceSet) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, src := range s.byName {
		if src.memory != nil {
			go closeMemory(src.Name) // It waits for requests, and a reload must not.
			src.memory = nil
		}
	}
}

// replacePlaceholders is Caddy's way to fill in {env.NAME} and {file./path}.
func replacePlaceholders(text string, errOnEmpty bool) (string, error) {
	return caddy.NewReplacer().ReplaceOrErr(text, errOnEmpty, true)
}

func configsOf(configured []Secret) (all []secrets.Config) {
	for _, s := range configured {
		all = append(all, secrets.Config(s))
	}
	return all
}
