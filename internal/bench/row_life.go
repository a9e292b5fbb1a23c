//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/inboxgate/inboxgate/event"
)

// wholeLife is row 6: accept, deliver and settle, beside a proxy that only
// hands the request on. Fast as it goes, and at the fixed rate.
func wholeLife(ctx context.Context, b *bench) (out outcome, err error) {
	l := b.prepareLoad(goalBody, event.TypeMessageDelivered)
	for _, rate := range []int{0, b.rate} {
		how, g := "closed loop", atMost(1.3, "≤ 1.3×")
		if rate > 0 {
			how, g = fmt.Sprintf("at %d/s", rate), goal{}
		}
		what := "whole life, " + how
		d := drive{load: l, conns: goalConns, rate: rate}
		ys := &series{Name: proxyName, Setting: how, Body: goalBody, Conns: goalConns, Rate: rate}
		gs := &series{Name: ourName, Setting: how, Body: goalBody, Conns: goalConns, Rate: rate}
		yard := func(ctx context.Context) (figures, error) {
			return b.life(ctx, d, func(to string) (*side, error) { return b.proxy(ctx, to, b.both()) })
		}
		ours := func(ctx context.Context) (figures, error) {
			return b.life(ctx, d, func(to string) (*side, error) { return b.gate(ctx, "\t\tto "+to, "", b.both()) })
		}
		if err := b.duel(ctx, yard, ours, ys, gs); err != nil {
			return out, err
		}
		out.join(outcome{
			Comparisons: []comparison{compare(what, cpu, ys, gs, g), compare(what, perSecond, ys, gs, goal{})},
			Series:      []*series{ys, gs},
		})
	}
	out.note("CPU is counted until the app has seen every event and the process has come to rest; req/s is that of the answers")
	return out, nil
}

// life measures one side from the first request until all has been delivered.
func (b *bench) life(ctx context.Context, d drive, open func(to string) (*side, error)) (f figures, err error) {
	a, s, g, err := b.wholeWay(ctx, d.load, d.conns, open)
	if err != nil {
		return f, err
	}
	defer func() { g.close(); s.close(); a.stop() }()
	g.closed(ctx, b.length()/warm, 0)
	before, err := b.delivered(ctx, g, s, a)
	if err != nil {
		return f, err
	}
	warmed := g.good.Load()
	var taken sample
	if d.rate > 0 {
		taken = g.open(ctx, d.rate, b.length(), nap)
	} else {
		taken = g.closed(ctx, b.length(), 0)
	}
	after, err := b.delivered(ctx, g, s, a)
	if err != nil {
		return f, err
	}
	f = timed(taken)
	f.used(before, after, int(g.good.Load()-warmed))
	if n := g.failed.Load(); n > 0 {
		f.Void = fmt.Sprintf("%d requests failed, the first with: %v", n, g.why.Load())
	}
	t, err := a.tally(ctx)
	if err == nil && t.Count != g.good.Load() && f.Void == "" {
		f.Void = fmt.Sprintf("%d events were answered, but %d arrived", g.good.Load(), t.Count)
	}
	return f, err
}

// wholeWay starts an app, the side in front of it that open returns, and the generator
// that sends to that. The caller ends them in the other order.
func (b *bench) wholeWay(ctx context.Context, l *load, conns int, open func(to string) (*side, error)) (a *app, s *side, g *generator, err error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, nil, nil, err
	}
	if a, err = b.app(ctx, addr, b.both()); err != nil {
		return nil, nil, nil, err
	}
	if s, err = open(addr); err != nil {
		a.stop()
		return nil, nil, nil, err
	}
	if g, err = connect(s.addr, s.want, conns, l); err != nil {
		s.close()
		a.stop()
		return nil, nil, nil, err
	}
	return a, s, g, nil
}

// delivered waits until the app has seen all that was answered, and the server
// has come to rest.
func (b *bench) delivered(ctx context.Context, g *generator, s *side, a *app) (m meter, err error) {
	n := g.good.Load()
	if _, err := a.await(ctx, n, time.Minute+time.Duration(n)*time.Millisecond); err != nil {
		return m, err
	}
	// Settles may wait a second for their fsync. A resting Caddy uses less than
	// one tick in that time.
	last := time.Duration(unknown)
	for range 60 {
		if m, err = b.read(s); err != nil {
			return m, err
		}
		if m.use.cpu-last <= tick && last >= 0 {
			return m, nil
		}
		last = m.use.cpu
		wait(ctx, 1200*time.Millisecond)
		if err := ctx.Err(); err != nil {
			return m, err
		}
	}
	return m, fmt.Errorf("%s does not come to rest", s.procs[0].name)
}

// catchingUp is row 7: what waits after an outage, beside new events that are
// delivered as they come.
func catchingUp(ctx context.Context, b *bench) (out outcome, err error) {
	waiting := b.scaled(100_000)
	l := b.prepareLoad(goalBody, event.TypeMessageDelivered)
	if l.len() < waiting+1000 {
		l = makeLoad(waiting+1000, goalBody, event.TypeMessageDelivered)
	}
	ys, gs := &series{Name: "live delivery"}, &series{Name: "catching up"}
	live := func(ctx context.Context) (figures, error) { return b.live(ctx, l) }
	late := func(ctx context.Context) (figures, error) { return b.outage(ctx, l, waiting) }
	if err := b.duel(ctx, live, late, ys, gs); err != nil {
		return out, err
	}
	out.Series = []*series{ys, gs}
	out.Comparisons = []comparison{compare(fmt.Sprintf("%d waiting", waiting), perSecond, ys, gs, atLeast(0.8, "≥ 80 %"))}
	out.note("both count what the app receives a second; live, the generator and the answers need their share of the two cores")
	return out, nil
}

// live measures how fast an app receives what is being sent.
func (b *bench) live(ctx context.Context, l *load) (f figures, err error) {
	a, s, g, err := b.wholeWay(ctx, l, goalConns, func(to string) (*side, error) { return b.gate(ctx, "\t\tto "+to, "", b.both()) })
	if err != nil {
		return f, err
	}
	defer func() { g.close(); s.close(); a.stop() }()
	g.closed(ctx, b.length()/warm, 0)
	from, err := a.tally(ctx)
	if err != nil {
		return f, err
	}
	taken := g.closed(ctx, b.length(), 0)
	to, err := a.tally(ctx)
	if err != nil {
		return f, err
	}
	f = blank()
	f.Events = int(to.Count - from.Count)
	f.Rate = float64(f.Events) / taken.took.Seconds()
	if n := g.failed.Load(); n > 0 {
		f.Void = fmt.Sprintf("%d requests failed, the first with: %v", n, g.why.Load())
	}
	return f, nil
}

// outage measures how fast an app receives what has come while it was down,
// from the first of it (the probe) to the last.
func (b *bench) outage(ctx context.Context, l *load, waiting int) (f figures, err error) {
	addr, err := freeAddress()
	if err != nil {
		return f, err
	}
	s, err := b.gate(ctx, "\t\tto "+addr, "", b.both())
	if err != nil {
		return f, err
	}
	defer s.close()
	if err := s.hold(ctx, l); err != nil {
		return f, err
	}
	g, err := connect(s.addr, s.want, goalConns, l)
	if err != nil {
		return f, err
	}
	defer g.close()
	g.next.Store(int64(s.offset))
	g.closed(ctx, time.Hour, waiting-s.offset)
	want := g.good.Load() + int64(s.offset)
	before, err := b.read(s)
	if err != nil {
		return f, err
	}
	a, err := b.app(ctx, addr, b.both())
	if err != nil {
		return f, err
	}
	defer a.stop()
	t, err := a.await(ctx, want, 2*time.Minute+time.Duration(want)*time.Millisecond)
	if err != nil {
		return f, err
	}
	after, err := b.read(s)
	if err != nil {
		return f, err
	}
	f = blank()
	f.Events = int(t.Count)
	f.Rate = float64(t.Count-1) / time.Duration(t.Last-t.First).Seconds()
	f.used(before, after, f.Events)
	switch n := g.failed.Load(); {
	case n > 0:
		f.Void = fmt.Sprintf("%d requests failed, the first with: %v", n, g.why.Load())
	case t.Count != want:
		f.Void = fmt.Sprintf("%d events were answered, but %d arrived", want, t.Count)
	}
	return f, nil
}
