//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/inboxgate/inboxgate/event"
)

// newEventsAmongMany is row 1 with two million ids in the store. All rounds use
// one store, which grows by what they add.
func newEventsAmongMany(ctx context.Context, b *bench) (out outcome, err error) {
	ids := b.scaled(2_000_000)
	store, err := b.prefill(ctx, ids, "")
	if err != nil {
		return out, err
	}
	defer os.RemoveAll(filepath.Dir(store))
	ys, gs := &series{Name: bareName, Body: goalBody, Conns: goalConns}, &series{Name: ourName, Body: goalBody, Conns: goalConns}
	one := func(c func(*load) contender) func(context.Context) (figures, error) {
		return func(ctx context.Context) (figures, error) {
			fresh := b.prepareLoad(goalBody, event.TypeMessageDelivered)
			all, err := b.turn(ctx, c(fresh), drive{load: fresh, conns: goalConns})
			if err != nil {
				return figures{}, err
			}
			return all[0], nil
		}
	}
	yard := one(func(l *load) contender { return b.bareSide(l, b.server()) })
	ours := one(func(l *load) contender { return b.heldSide(l, store, b.server()) })
	if err := b.pinned(func() error { return b.duel(ctx, yard, ours, ys, gs) }); err != nil {
		return out, err
	}
	what := fmt.Sprintf("new event, %d ids present, one core", ids)
	out.Series = []*series{ys, gs}
	out.Comparisons = []comparison{
		compare(what, perSecond, ys, gs, atLeast(0.45, "≥ 45 %")),
		compare(what, p99, ys, gs, atMost(2, "≤ 2×")),
	}
	return out, nil
}

// manyWaiting is row 8: a million events that wait for a held route, and what
// that does to another route, to memory and to the start.
func manyWaiting(ctx context.Context, b *bench) (out outcome, err error) {
	waiting := b.scaled(1_000_000)
	store, err := b.prefill(ctx, waiting, "archive")
	if err != nil {
		return out, err
	}
	defer os.RemoveAll(filepath.Dir(store))
	ys, gs := &series{Name: "none waiting"}, &series{Name: fmt.Sprintf("%d waiting", waiting)}
	empty := func(ctx context.Context) (figures, error) { return b.besideWaiting(ctx, "") }
	full := func(ctx context.Context) (figures, error) { return b.besideWaiting(ctx, store) }
	if err := b.pinned(func() error { return b.duel(ctx, empty, full, ys, gs) }); err != nil {
		return out, err
	}
	if n, err := stored(ctx, store); err != nil {
		return out, err
	} else if n < int64(waiting) {
		gs.Rounds[len(gs.Rounds)-1].Void = fmt.Sprintf("only %d events still waited at the end", n)
	}
	out.Series = []*series{ys, gs}
	out.Comparisons = []comparison{
		compare("new event of another route, one core", perSecond, ys, gs, atLeast(0.9, "≥ 90 %")),
		compare("new event of another route, one core", p99, ys, gs, goal{}),
		compare("memory", rss, ys, gs, below(200, "≤ 200 MiB")),
		compare("start of the process to its first answer", startUp, ys, gs, below(1000, "≤ 1 s")),
	}
	return out, nil
}

// besideWaiting starts a gate with a held route and one whose app is there,
// and measures new events of the latter.
func (b *bench) besideWaiting(ctx context.Context, store string) (f figures, err error) {
	l := b.prepareLoad(goalBody, event.TypeMessageDelivered)
	addr, err := freeAddress()
	if err != nil {
		return f, err
	}
	gone, err := freeAddress()
	if err != nil {
		return f, err
	}
	a, err := b.app(ctx, addr, b.generator())
	if err != nil {
		return f, err
	}
	defer a.stop()
	routes := fmt.Sprintf("\t\ton %s %s {\n\t\t\tname archive\n\t\t}\n\t\ton %s %s {\n\t\t\tname app\n\t\t}",
		event.TypeMessageFailed, gone, event.TypeMessageDelivered, addr)
	begin := time.Now()
	s, err := b.gate(ctx, routes, store, b.server())
	if err != nil {
		return f, err
	}
	defer s.close()
	if err := s.prod(ctx, l, 1, ""); err != nil {
		return f, err
	}
	started := ms(time.Since(begin))
	f, err = b.measure(ctx, s, drive{load: l, conns: goalConns})
	f.Start = started
	return f, err
}
