//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// contender is a side of a row. Its processes start anew for each round.
type contender struct {
	name string
	open func(context.Context) (*side, error)
	// check looks after the last measurement whether all that was answered is
	// there. Nil where nothing is kept.
	check func(context.Context, *side, *figures) error
	// cycle sends only so many first requests of the load, again and again.
	cycle int
	// durable says that an answer stands for a flush.
	durable bool
}

// turn starts a contender and measures it with each drive in turn.
func (b *bench) turn(ctx context.Context, c contender, drives ...drive) (all []figures, err error) {
	s, err := c.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	defer s.close()
	for _, d := range drives {
		d.cycle = c.cycle
		f, err := b.measure(ctx, s, d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		if c.durable {
			f.durable(d.conns, len(d.load.tail))
		}
		all = append(all, f)
	}
	if c.check != nil {
		if err := c.check(ctx, s, &all[len(all)-1]); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return all, nil
}

// contest measures all contenders round by round. Each round begins with
// another one of them, and with another drive, so that what drifts or what
// wears off hits all alike. It gives the series of each contender by drive.
func (b *bench) contest(ctx context.Context, contenders []contender, drives ...drive) ([][]*series, error) {
	all := make([][]*series, len(contenders))
	for i, c := range contenders {
		for _, d := range drives {
			all[i] = append(all[i], &series{Name: c.name, Body: d.body(), Conns: d.conns, Rate: d.rate})
		}
	}
	for round := range b.rounds {
		begin := time.Now()
		for k := range contenders {
			i := (k + round) % len(contenders)
			order := make([]drive, len(drives))
			for k := range drives {
				order[k] = drives[(k+round)%len(drives)]
			}
			got, err := b.turn(ctx, contenders[i], order...)
			if err != nil {
				return nil, err
			}
			for k, f := range got {
				all[i][(k+round)%len(drives)].add(f)
			}
		}
		b.say("  round %d: %.0f s", round+1, time.Since(begin).Seconds())
	}
	return all, nil
}

// bareSide is Caddy that reads the body and answers.
func (b *bench) bareSide(l *load, cpus []int) contender {
	return contender{name: bareName, cycle: l.len(), open: func(ctx context.Context) (*side, error) { return b.bare(ctx, cpus) }}
}

// heldSide is inboxgate with its only route held, so that nothing but the
// accept is measured. A store, a new one if none is named, may hold deliveries.
func (b *bench) heldSide(l *load, store string, cpus []int) contender {
	var before int64
	return contender{
		name: ourName, durable: true,
		open: func(ctx context.Context) (_ *side, err error) {
			if store != "" {
				if before, err = stored(ctx, store); err != nil {
					return nil, err
				}
			}
			s, err := b.toNobody(ctx, store, cpus)
			if err != nil {
				return nil, err
			}
			if err := s.hold(ctx, l); err != nil {
				s.close()
				return nil, err
			}
			return s, nil
		},
		check: func(ctx context.Context, s *side, f *figures) error { return b.accounted(ctx, s, f, before) },
	}
}

// copies is how many events are sent again and again.
const copies = 1000

// copiesSide is inboxgate with the first events of the load stored, unmeasured.
func (b *bench) copiesSide(l *load, cpus []int) contender {
	return contender{
		name: copiesName, cycle: copies,
		open: func(ctx context.Context) (*side, error) {
			s, err := b.toNobody(ctx, "", cpus)
			if err != nil {
				return nil, err
			}
			if err := s.first(ctx, l, copies); err != nil {
				s.close()
				return nil, err
			}
			s.want, s.offset = wantDuplicate, 0
			return s, nil
		},
		check: func(ctx context.Context, s *side, f *figures) error {
			s.offset = copies // Whatever was answered, no copy may be stored.
			return b.accounted(ctx, s, f, 0)
		},
	}
}

// toNobody starts a gate whose only route leads nowhere.
func (b *bench) toNobody(ctx context.Context, store string, cpus []int) (*side, error) {
	gone, err := freeAddress()
	if err != nil {
		return nil, err
	}
	return b.gate(ctx, "\t\tto "+gone, store, cpus)
}

// first stores the first n events of a load, once the route is held.
func (s *side) first(ctx context.Context, l *load, n int) error {
	if err := s.hold(ctx, l); err != nil {
		return err
	}
	g, err := connect(s.addr, s.want, goalConns, l)
	if err != nil {
		return err
	}
	defer g.close()
	g.next.Store(int64(s.offset))
	g.closed(ctx, time.Minute, n-s.offset)
	if s.offset += int(g.good.Load()); s.offset != n {
		return fmt.Errorf("%d of %d events were stored: %v", s.offset, n, g.why.Load())
	}
	return ctx.Err()
}
