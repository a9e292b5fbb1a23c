//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/inboxgate/inboxgate/event"
)

// gatesOn starts several gates on one database, as several machines would have them.
// The first is procs[0] of the side, which sends to all in turn.
func (b *bench) gatesOn(ctx context.Context, db *database, routes string, n int, cpus []int) (*side, error) {
	all := &side{want: wantAccepted, db: db}
	for range n {
		s, err := b.gateOn(ctx, routes, "", db, cpus)
		if err != nil {
			all.close()
			return nil, err
		}
		all.with(s)
	}
	return all, nil
}

// with adds a gate to a side.
func (s *side) with(other *side) {
	s.procs, s.dirs = append(s.procs, other.procs...), append(s.dirs, other.dir)
	if s.addr != "" {
		s.addr += ","
	}
	s.addr += other.addr
}

// heldOn is heldSide with gates on a database, each of which finds its upstream gone.
func (b *bench) heldOn(l *load, db *database, n int, cpus []int) contender {
	name := fmt.Sprintf("PostgreSQL, %d ingress processes", n)
	if n == 1 {
		name = "PostgreSQL, one ingress process"
	}
	return contender{
		name: name, durable: true,
		open: func(ctx context.Context) (_ *side, err error) {
			if err := db.anew(); err != nil {
				return nil, err
			}
			gone, err := freeAddress()
			if err != nil {
				return nil, err
			}
			all := &side{want: wantAccepted, db: db}
			for range n {
				s, err := b.gateOn(ctx, "\t\tto "+gone, "", db, cpus)
				if err == nil {
					s.offset = all.offset
					all.with(s)
					err = s.hold(ctx, l)
					all.offset = s.offset
				}
				if err != nil {
					all.close()
					return nil, err
				}
			}
			return all, nil
		},
		check: func(_ context.Context, s *side, f *figures) error {
			s.stop()
			c, err := db.count()
			if err != nil {
				return err
			}
			if why := c.void(0, int64(s.offset), 0); why != "" && f.Void == "" {
				f.Void = why
			}
			return nil
		},
	}
}

// ingresses is row pi: new events answered through HTTP, on the same two cores as the
// database and the generator.
func ingresses(ctx context.Context, b *bench, db *database) (out outcome, err error) {
	l := b.prepareLoad(goalBody, event.TypeMessageDelivered)
	all, err := b.contest(ctx, []contender{
		b.heldSide(l, "", b.both()), b.heldOn(l, db, 1, b.both()), b.heldOn(l, db, 2, b.both()),
	}, drive{load: l, conns: goalConns})
	if err != nil {
		return out, err
	}
	for _, s := range all {
		out.Series = append(out.Series, s...)
	}
	what := fmt.Sprintf("new event answered, %d connections, two cores", goalConns)
	out.Comparisons = []comparison{
		compare(what+", one process", perSecond, all[0][0], all[1][0], goal{}),
		compare(what+", two processes", perSecond, all[0][0], all[2][0], goal{}),
		compare(what+", two processes", p99, all[0][0], all[2][0], goal{}),
	}
	out.note("the generator has its share of the two cores")
	return out, nil
}

// ingressLife is row pl: accepted by two gates, delivered by them to an app, settled.
func ingressLife(ctx context.Context, b *bench, db *database) (out outcome, err error) {
	l := b.prepareLoad(goalBody, event.TypeMessageDelivered)
	ys := &series{Name: ourName, Body: goalBody, Conns: goalConns}
	gs := &series{Name: "PostgreSQL, two ingress processes", Body: goalBody, Conns: goalConns}
	d := drive{load: l, conns: goalConns}
	yard := func(ctx context.Context) (figures, error) {
		return b.life(ctx, d, func(to string) (*side, error) { return b.gate(ctx, "\t\tto "+to, "", b.both()) })
	}
	ours := func(ctx context.Context) (f figures, err error) {
		if err := db.anew(); err != nil {
			return f, err
		}
		var s *side
		f, err = b.life(ctx, d, func(to string) (*side, error) {
			s, err = b.gatesOn(ctx, db, "\t\tto "+to, 2, b.both())
			return s, err
		})
		if err != nil {
			return f, err
		}
		c, err := db.count()
		if why := c.void(0, c.ids, c.ids); why != "" && f.Void == "" {
			f.Void = why
		}
		return f, err
	}
	if err := b.duel(ctx, yard, ours, ys, gs); err != nil {
		return out, err
	}
	out.Series = []*series{ys, gs}
	out.Comparisons = []comparison{
		compare("whole life, two processes", perSecond, ys, gs, goal{}),
		compare("whole life, two processes", cpu, ys, gs, goal{}),
	}
	return out, nil
}
