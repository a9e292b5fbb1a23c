//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// drive is how requests are sent to a side.
type drive struct {
	load  *load
	conns int
	rate  int // requests per second, 0 for as fast as they are answered
	// length of the measurement, 0 for that of the options.
	length time.Duration
	// cycle sends only the first requests of the load, again and again.
	cycle int
}

func (d drive) body() int { return d.load.size }

// warm is the part of a measurement's length that goes before it.
const warm = 5

// ahead is how many requests are prepared for each second. A faster server
// ends its measurement early.
const ahead = 40_000

// prepareLoad makes as many requests as the fastest of our rounds may need.
func (b *bench) prepareLoad(size int, typ string) *load {
	return prepareFor(b.length(), size, typ)
}

func prepareFor(length time.Duration, size int, typ string) *load {
	n := int(length.Seconds()*ahead*(1+1./warm)) + 1000
	if size > 4<<10 {
		n /= 2
	}
	return makeLoad(n, size, typ)
}

// measure sends requests to a side for the given length, after a warm-up, and
// reads what its processes used meanwhile. The rest of the requests is not used.
func (b *bench) measure(ctx context.Context, s *side, d drive) (figures, error) {
	g, err := connect(s.addr, s.want, d.conns, d.load)
	if err != nil {
		return figures{}, err
	}
	defer g.close()
	g.next.Store(int64(s.offset))
	if d.cycle > 0 {
		g.limit, g.cycle = d.cycle, true
	}
	length := cmp.Or(d.length, b.length())
	if err := rest(ctx, s.procs); err != nil {
		return figures{}, err
	}
	g.closed(ctx, length/warm, 0)
	before, err := b.read(s)
	if err != nil {
		return figures{}, err
	}
	warmed := g.good.Load()
	var taken sample
	if d.rate > 0 {
		taken = g.open(ctx, d.rate, length, nap)
	} else {
		taken = g.closed(ctx, length, 0)
	}
	after, err := b.read(s)
	if err != nil {
		return figures{}, err
	}
	f := timed(taken)
	f.used(before, after, int(g.good.Load()-warmed))
	if n := g.failed.Load(); n > 0 {
		f.Void = fmt.Sprintf("%d requests failed, the first with: %v", n, g.why.Load())
	}
	if f.Events == 0 && f.Void == "" {
		f.Void = "no request was answered in time"
	}
	s.offset += int(g.good.Load())
	return f, ctx.Err()
}

// accounted stops a gate and counts whether all it answered is stored. Before
// it, the store held some already.
func (b *bench) accounted(ctx context.Context, s *side, f *figures, before int64) error {
	s.stop()
	n, err := stored(ctx, s.store)
	if err != nil {
		return err
	}
	if answered := before + int64(s.offset); n != answered && f.Void == "" {
		f.Void = fmt.Sprintf("%d events were answered, but %d are stored", answered, n)
	}
	return nil
}

// duel measures a yardstick and ours in turn, rounds times, and begins with
// the one and the other by turns.
func (b *bench) duel(ctx context.Context, yard, ours func(context.Context) (figures, error), ys, gs *series) error {
	for round := range b.rounds {
		begin := time.Now()
		order := []func() error{
			func() error { return into(ctx, ys, yard) },
			func() error { return into(ctx, gs, ours) },
		}
		if round%2 == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, side := range order {
			if err := side(); err != nil {
				return err
			}
		}
		b.say("  round %d: %.0f s", round+1, time.Since(begin).Seconds())
	}
	return nil
}

func into(ctx context.Context, s *series, measure func(context.Context) (figures, error)) error {
	f, err := measure(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	s.add(f)
	return nil
}
