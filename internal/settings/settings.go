// Package settings checks what is configured of a source and its routes, before anything
// of it runs.
//
// Guarantee: every mistake is told, each in a sentence that names the fix. A
// configuration that passes can keep the promises of time: its answer is there within
// AnswerWithin, and no delivery becomes a dead letter before its last attempt.
//
// Limits: it opens and resolves nothing; whether a secret, an address or a handler is
// there shows when it is loaded.
package settings

import (
	"fmt"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/internal/body"
	"github.com/inboxgate/inboxgate/internal/routing"
)

// Bounds of a source.
const (
	// MinMaxBody is the least that a body may be bounded to, in bytes.
	MinMaxBody = 1000
	// MaxAckTimeout is the longest that the next handler may take, in pass mode.
	MaxAckTimeout = 8 * time.Second
	// AnswerWithin is when an answer is there at the latest. The platform gives up after
	// 10 s; by then ours is long there.
	AnswerWithin = 8 * time.Second
)

// What becomes of a signed event that is older than the window.
const (
	StaleQuarantine = "quarantine"
	StaleDeliver    = "deliver"
)

// Source is what is configured of one webhook endpoint, with its defaults.
type Source struct {
	Name string
	// MaxBody is in bytes.
	MaxBody                 int64
	ReadTimeout, AckTimeout time.Duration
	// Stale is StaleQuarantine or StaleDeliver.
	Stale string
	// Types are the source's own event types, besides the platform's.
	Types  []string
	Routes []Route
	// Pass hands events to the next handler instead of routes.
	Pass bool
}

// Check lists every mistake of the configuration, each with its fix. directive is the
// name of the directive that configures a source.
func (s Source) Check(directive string) []error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := routing.CheckName("name", s.Name); err != nil {
		errs = append(errs, err)
	}
	if most := body.Process().Largest(); s.MaxBody < 0 || s.MaxBody > most {
		add("max_body is %d bytes: give a size such as 1MiB, at most %dMiB: an eighth of the memory limit, and never more than 128MiB", s.MaxBody, most>>20)
	}
	if s.MaxBody > 0 && s.MaxBody < MinMaxBody {
		add("max_body is %d bytes, which hardly an event fits into: give at least 1kB, for example 1MiB", s.MaxBody)
	}
	if t := s.ReadTimeout; t < 0 || t > AnswerWithin-time.Second {
		add("read_timeout is %s: it must lie between 0 and 7s, because the answer comes within 8s", t)
	}
	if t := s.AckTimeout; t != 0 && !s.Pass {
		add("ack_timeout without pass: remove it, or give the route a `timeout` (events that are stored are answered without waiting for an app)")
	} else if t < 0 || t > MaxAckTimeout {
		add("ack_timeout is %s: it must lie between 0 and 8s, because the platform waits 10s", t)
	}
	if s.Stale != StaleQuarantine && s.Stale != StaleDeliver {
		add("stale is %q: say `stale quarantine` or `stale deliver`", s.Stale)
	}
	switch {
	case s.Pass && len(s.Routes) > 0:
		add("both pass and routes: remove `pass`, or remove every `on` and `to`")
	case !s.Pass && len(s.Routes) == 0:
		add("no routes: say where events go (`to app:3000` or `on message.failed alerts:9000`), or `pass` to hand them to the next handler")
	}
	for i, r := range s.Routes {
		if slices.ContainsFunc(s.Routes[:i], func(other Route) bool { return other.Name == r.Name }) {
			add("two routes are named %q: give one of them another `name`", r.Name)
		}
		errs = append(errs, r.check(s.Types, directive)...)
	}
	return append(errs, s.checkTogether()...)
}

// checkTogether lists what is wrong with the routes beside each other.
func (s Source) checkTogether() (errs []error) {
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	names, heirs := make(map[string]bool), make(map[string]string)
	for _, r := range s.Routes {
		names[r.Name] = true
	}
	for _, r := range s.Routes {
		if other, ok := heirs[r.Was]; ok && r.Was != "" {
			add("routes %q and %q were both %q: only one of them can take its deliveries over", other, r.Name, r.Was)
		}
		heirs[r.Was] = r.Name
		if r.Was != "" && names[r.Was] {
			add("route %q was %q, which is a route still: remove `was %s`, or rename the other", r.Name, r.Was, r.Was)
		}
	}
	if n := s.fallbacks(); n > 1 {
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

// fallbacks counts the routes of what no other took.
func (s Source) fallbacks() (n int) {
	for _, r := range s.Routes {
		if len(r.Types) == 0 {
			n++
		}
	}
	return n
}

// Fits refuses schedules that retention would cut short. option is the name of the global
// option that retention stands in.
func (s Source) Fits(retention time.Duration, option string) error {
	for _, r := range s.Routes {
		if total := r.span(); total >= retention {
			return fmt.Errorf("route %q: its retries span %s, but what waits for longer than retention (%s) becomes a dead letter: raise retention in the global option %s, or shorten retry", r.Name, total, retention, option)
		}
	}
	return nil
}
