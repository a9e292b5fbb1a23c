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
