//go:build linux

package main

import (
	"context"
	"fmt"
)

// orderKeys is how many keys the events of an ordered route have.
const orderKeys = 10_000

// inOrder is row o: what order costs a route, on the embedded engine.
func inOrder(ctx context.Context, b *bench) (outcome, error) {
	return b.order(ctx, engineSide{name: "embedded engine", kind: kindEmbedded, processes: 1}, nil)
}

// postgresInOrder is row po: the same with a database.
func postgresInOrder(ctx context.Context, b *bench, db *database) (outcome, error) {
	return b.order(ctx, engineSide{name: "PostgreSQL", kind: kindPostgres, processes: 2}, db)
}

// order measures a route without order and one with it, round by round: from the first
// accept until the last delivery is settled.
func (b *bench) order(ctx context.Context, e engineSide, db *database) (out outcome, err error) {
	e.callers, e.life, e.orders = goalConns, true, true
	with := e
	e.name += ", without order"
	with.name, with.keys = fmt.Sprintf("%s, %d keys", with.name, orderKeys), orderKeys
	all, err := b.sidesInTurn(ctx, []engineSide{e, with}, db)
	if err != nil {
		return out, err
	}
	out.Series = all
	out.Comparisons = []comparison{
		compare(fmt.Sprintf("accepted, delivered and settled, %d keys", orderKeys), perSecond, all[0], all[1], atLeast(0.8, "≥ 80 %")),
	}
	out.note("an app in the same process answers at once; the rate is that of all that was accepted, until the last is settled")
	return out, nil
}
