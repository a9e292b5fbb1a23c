//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/inboxgate/inboxgate/event"
)

const (
	bareName = "bare Caddy"
	ourName  = "inboxgate"
)

// newEvents is row 1: new events answered by a server on one core.
func newEvents(ctx context.Context, b *bench) (out outcome, err error) {
	err = b.pinned(func() error {
		for _, size := range b.bodies {
			l := b.prepareLoad(size, event.TypeMessageDelivered)
			for _, conns := range b.conns {
				d := drive{load: l, conns: conns}
				what, rate, tail := fmt.Sprintf("new event, %d B, %d connections, one core", size, conns), goal{}, goal{}
				if conns == goalConns && size == goalBody {
					rate, tail = atLeast(0.6, "≥ 60 %"), atMost(2, "≤ 2×")
				}
				ys, gs := &series{Name: bareName, Setting: what}, &series{Name: ourName, Setting: what}
				if err := b.duel(ctx, b.bareRound(b.server(), d), b.heldRound(b.server(), d), ys, gs); err != nil {
					return err
				}
				out.join(outcome{
					Comparisons: []comparison{compare(what, perSecond, ys, gs, rate), compare(what, p99, ys, gs, tail)},
					Series:      []*series{ys, gs},
				})
			}
		}
		return nil
	})
	return out, err
}

// fixedRate is row 3: both at the same rate, far below what they can do.
func fixedRate(ctx context.Context, b *bench) (out outcome, err error) {
	d := drive{load: b.prepareLoad(goalBody, event.TypeMessageDelivered), conns: goalConns, rate: b.rate}
	ys, gs := &series{Name: bareName}, &series{Name: ourName}
	if err := b.duel(ctx, b.bareRound(b.both(), d), b.heldRound(b.both(), d), ys, gs); err != nil {
		return out, err
	}
	what := fmt.Sprintf("%d/s, two cores", b.rate)
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
	d := drive{load: b.prepareLoad(goalBody, event.TypeMessageDelivered), conns: 1}
	ys, gs, grown := &series{Name: "write 4 KiB, fdatasync"}, &series{Name: ourName}, &series{Name: "the same, the file grows"}
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
	if err := b.duel(ctx, sync(false), b.heldRound(b.both(), d), ys, gs); err != nil {
		return out, err
	}
	if err := into(ctx, grown, sync(true)); err != nil {
		return out, err
	}
	out.Series = []*series{ys, grown, gs}
	within := goal{"≤ yardstick + 0.4 ms", func(c comparison) bool { return c.Ours <= c.Yard+0.4 }}
	out.Comparisons = []comparison{compare("one connection, two cores", p50, ys, gs, within)}
	return out, nil
}

// copies is how many events row 5 sends again and again.
const copies = 1000

// duplicates is row 5: copies of events that are stored.
func duplicates(ctx context.Context, b *bench) (out outcome, err error) {
	err = b.pinned(func() error {
		for _, size := range b.bodies {
			l := makeLoad(copies, size, event.TypeMessageDelivered)
			for _, conns := range b.conns {
				d := drive{load: l, conns: conns, cycle: copies}
				what, rate := fmt.Sprintf("duplicate, %d B, %d connections, one core", size, conns), goal{}
				if conns == goalConns && size == goalBody {
					rate = atLeast(0.85, "≥ 85 %")
				}
				ys, gs := &series{Name: bareName, Setting: what}, &series{Name: ourName, Setting: what}
				if err := b.duel(ctx, b.bareRound(b.server(), d), b.copiesRound(d), ys, gs); err != nil {
					return err
				}
				out.join(outcome{
					Comparisons: []comparison{compare(what, perSecond, ys, gs, rate), compare(what, p99, ys, gs, goal{})},
					Series:      []*series{ys, gs},
				})
			}
		}
		return nil
	})
	return out, err
}

// copiesRound stores the events first, unmeasured.
func (b *bench) copiesRound(d drive) func(context.Context) (figures, error) {
	return func(ctx context.Context) (figures, error) {
		gone, err := freeAddress()
		if err != nil {
			return figures{}, err
		}
		s, err := b.gate(ctx, "\t\tto "+gone, "", b.server())
		if err != nil {
			return figures{}, err
		}
		defer s.close()
		if err := s.prod(ctx, d.load, copies, `"msg":"route held"`); err != nil {
			return figures{}, err
		}
		s.want, s.offset = wantDuplicate, 0
		f, err := b.measure(ctx, s, d)
		s.offset = copies
		if err != nil {
			return f, err
		}
		return f, b.accounted(ctx, s, &f, 0)
	}
}
