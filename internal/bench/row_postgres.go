//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
)

// onPostgres runs a row with a database of its own.
func onPostgres(f func(context.Context, *bench, *database) (outcome, error)) func(context.Context, *bench) (outcome, error) {
	return func(ctx context.Context, b *bench) (out outcome, err error) {
		db, err := b.openDatabase()
		if err != nil {
			return out, err
		}
		out, err = f(ctx, b, db)
		return out, errors.Join(err, db.close())
	}
}

// sidesInTurn measures sides round by round, and begins each with another one.
func (b *bench) sidesInTurn(ctx context.Context, sides []engineSide, db *database) (all []*series, err error) {
	for _, e := range sides {
		all = append(all, &series{Name: e.name, Body: goalBody, Conns: e.callers})
	}
	for round := range b.rounds {
		for k := range sides {
			i := (k + round) % len(sides)
			err := into(ctx, all[i], func(ctx context.Context) (figures, error) { return b.engines(ctx, sides[i], db) })
			if err != nil {
				return nil, err
			}
			b.say("  %s: %.0f/s, %.1f + %.1f µs", all[i].Name, all[i].Rounds[round].Rate, all[i].Rounds[round].Database, all[i].Rounds[round].CPU)
		}
	}
	return all, nil
}

// postgresAccepts is row p: events stored by PostgreSQL on the same two cores.
func postgresAccepts(ctx context.Context, b *bench, db *database) (out outcome, err error) {
	sides := []engineSide{
		{name: "embedded engine", kind: kindEmbedded, processes: 1, callers: goalConns},
		{name: "one row a statement", kind: kindUnbatched, processes: 1, callers: goalConns},
		{name: "PostgreSQL, one process", kind: kindPostgres, processes: 1, callers: goalConns},
		{name: "PostgreSQL, two processes", kind: kindPostgres, processes: 2, callers: goalConns},
	}
	all, err := b.sidesInTurn(ctx, sides, db)
	if err != nil {
		return out, err
	}
	what := fmt.Sprintf("new event stored, two processes, %d callers", goalConns)
	out.Series = all
	out.Comparisons = []comparison{
		compare(what, perSecond, all[1], all[3], atLeast(6, "≥ 6×")),
		compare(what, perSecond, all[0], all[3], above(15_000, "≥ 15,000/s")),
		compare("the same, one process", perSecond, all[0], all[2], goal{}),
	}
	return out, nil
}

// postgresAmongMany is row pb: the same with two million ids in the database. All rounds
// use one store, which grows by what they add.
func postgresAmongMany(ctx context.Context, b *bench, db *database) (out outcome, err error) {
	ids := b.scaled(2_000_000)
	none := engineSide{name: "PostgreSQL, no ids", kind: kindPostgres, processes: 2, callers: goalConns}
	many := none
	many.name, many.known = fmt.Sprintf("PostgreSQL, %d ids", ids), ids
	full, err := b.openDatabase()
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, full.close()) }()
	if err := full.know(ctx, ids); err != nil {
		return out, err
	}
	ys, gs := &series{Name: none.name, Body: goalBody, Conns: goalConns}, &series{Name: many.name, Body: goalBody, Conns: goalConns}
	yard := func(ctx context.Context) (figures, error) { return b.engines(ctx, none, db) }
	ours := func(ctx context.Context) (figures, error) { return b.engines(ctx, many, full) }
	if err := b.duel(ctx, yard, ours, ys, gs); err != nil {
		return out, err
	}
	what := fmt.Sprintf("new event stored, two processes, %d ids present", ids)
	out.Series = []*series{ys, gs}
	out.Comparisons = []comparison{compare(what, perSecond, ys, gs, goal{}), compare(what, serverCPU, ys, gs, goal{})}
	return out, nil
}

// postgresLife is row ps: accepted and settled, without HTTP.
func postgresLife(ctx context.Context, b *bench, db *database) (out outcome, err error) {
	all, err := b.sidesInTurn(ctx, []engineSide{
		{name: "embedded engine", kind: kindEmbedded, processes: 1, callers: goalConns, life: true},
		{name: "PostgreSQL, one process", kind: kindPostgres, processes: 1, callers: goalConns, life: true},
		{name: "PostgreSQL, two processes", kind: kindPostgres, processes: 2, callers: goalConns, life: true},
	}, db)
	if err != nil {
		return out, err
	}
	out.Series = all
	out.Comparisons = []comparison{compare("accepted and settled, two processes", perSecond, all[0], all[2], goal{})}
	out.note("CPU is counted until the last is settled")
	return out, nil
}

// postgresOne is row p4: one event at a time beside one fdatasync and one round trip.
func postgresOne(ctx context.Context, b *bench, db *database) (out outcome, err error) {
	one := engineSide{name: "PostgreSQL, one caller", kind: kindPostgres, processes: 1, callers: 1}
	ys, gs := &series{Name: diskName + ", and a round trip"}, &series{Name: one.name, Body: goalBody, Conns: 1}
	yard := func(ctx context.Context) (figures, error) {
		s, err := b.fdatasyncs(ctx, true)
		if err != nil {
			return figures{}, err
		}
		trip, err := db.roundTrip(ctx)
		if err != nil {
			return figures{}, err
		}
		for i := range s.times {
			s.times[i] += trip
		}
		return timed(s), nil
	}
	ours := func(ctx context.Context) (figures, error) { return b.engines(ctx, one, db) }
	if err := b.duel(ctx, yard, ours, ys, gs); err != nil {
		return out, err
	}
	within := goal{"≤ that + 0.4 ms", func(c comparison) float64 { return ratio(c.Yard+0.4, c.Ours) }, false}
	out.Series = []*series{ys, gs}
	out.Comparisons = []comparison{compare("one caller, PostgreSQL on the same two cores", p50, ys, gs, within)}
	return out, nil
}
