//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/inboxgate/inboxgate/event"
)

// How the sides are called.
const (
	bareName   = "bare Caddy"
	ourName    = "inboxgate"
	copiesName = "inboxgate, duplicates"
	proxyName  = "reverse_proxy"
)

// newEvents is row 1: new events answered by a server on one core.
func newEvents(ctx context.Context, b *bench) (out outcome, err error) {
	l := b.prepareLoad(goalBody, event.TypeMessageDelivered)
	err = b.pinned(func() error {
		all, err := b.contest(ctx, []contender{b.bareSide(l, b.server()), b.heldSide(l, "", b.server())}, drive{load: l, conns: goalConns})
		if err != nil {
			return err
		}
		ys, gs := all[0][0], all[1][0]
		what := fmt.Sprintf("new event, %d B, %d connections, one core", goalBody, goalConns)
		out.Series = []*series{ys, gs}
		out.Comparisons = []comparison{
			compare(what, perSecond, ys, gs, atLeast(0.6, "≥ 60 %")),
			compare(what, p99, ys, gs, atMost(2, "≤ 2×")),
			compare(what, cpu, ys, gs, goal{}),
		}
		return nil
	})
	return out, err
}

// fixedRate is row 3: both at the same rate, far below what they can do.
func fixedRate(ctx context.Context, b *bench) (out outcome, err error) {
	l := b.prepareLoad(goalBody, event.TypeMessageDelivered)
	d := drive{load: l, conns: goalConns, rate: b.rate}
	all, err := b.contest(ctx, []contender{b.bareSide(l, b.both()), b.heldSide(l, "", b.both())}, d)
	if err != nil {
		return out, err
	}
	ys, gs := all[0][0], all[1][0]
	what := fmt.Sprintf("new event at %d/s, two cores", b.rate)
	out.Series = []*series{ys, gs}
	out.Comparisons = []comparison{
		compare(what, p50, ys, gs, goal{}),
		compare(what, p99, ys, gs, below(3, "≤ 3 ms")),
		compare(what, p999, ys, gs, goal{}),
	}
	return out, nil
}

// oneConnection is row 4: one event at a time beside one fdatasync at a time.
func oneConnection(ctx context.Context, b *bench) (out outcome, err error) {
	l := b.prepareLoad(goalBody, event.TypeMessageDelivered)
	ys, gs, grown := &series{Name: diskName}, &series{Name: ourName, Body: goalBody, Conns: 1}, &series{Name: "the same, the file grows"}
	sync := func(grow bool) func(context.Context) (figures, error) {
		return func(ctx context.Context) (figures, error) {
			before := b.disk.flushes()
			s, err := b.fdatasyncs(ctx, grow)
			f := timed(s)
			if after := b.disk.flushes(); before != unknown && after != unknown && len(s.times) > 0 {
				f.Flushes = (after - before) / float64(len(s.times))
			}
			return f, err
		}
	}
	ours := func(ctx context.Context) (figures, error) {
		all, err := b.turn(ctx, b.heldSide(l, "", b.both()), drive{load: l, conns: 1})
		if err != nil {
			return figures{}, err
		}
		return all[0], nil
	}
	if err := b.duel(ctx, sync(false), ours, ys, gs); err != nil {
		return out, err
	}
	if err := into(ctx, grown, sync(true)); err != nil {
		return out, err
	}
	out.Series = []*series{ys, grown, gs}
	within := goal{"≤ that + 0.4 ms", func(c comparison) float64 { return ratio(c.Yard+0.4, c.Ours) }, false}
	out.Comparisons = []comparison{compare("one connection, two cores", p50, ys, gs, within)}
	return out, nil
}

// duplicates is row 5: copies of events that are stored.
func duplicates(ctx context.Context, b *bench) (out outcome, err error) {
	l := makeLoad(copies, goalBody, event.TypeMessageDelivered)
	err = b.pinned(func() error {
		all, err := b.contest(ctx, []contender{b.bareSide(l, b.server()), b.copiesSide(l, b.server())}, drive{load: l, conns: goalConns})
		if err != nil {
			return err
		}
		ys, gs := all[0][0], all[1][0]
		what := fmt.Sprintf("duplicate, %d B, %d connections, one core", goalBody, goalConns)
		out.Series = []*series{ys, gs}
		out.Comparisons = []comparison{
			compare(what, perSecond, ys, gs, atLeast(0.85, "≥ 85 %")),
			compare(what, p99, ys, gs, goal{}),
		}
		return nil
	})
	return out, err
}
