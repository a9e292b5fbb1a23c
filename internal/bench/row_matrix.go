//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/inboxgate/inboxgate/event"
)

// cell is the part of a measurement's length that each cell of the matrix gets:
// one process serves all numbers of connections in turn.
const cell = 4

// matrix is row m: every side of rows 1, 2 and 5 for each size of a body and
// each number of connections, for a short time each.
func matrix(ctx context.Context, b *bench) (out outcome, err error) {
	why := b.haveExpress(ctx)
	var missing skipped
	if why != nil && !errors.As(why, &missing) {
		return out, why
	}
	if why != nil {
		out.note("without the Express yardsticks: %s", missing.why)
	}
	length := b.length() / cell
	err = b.pinned(func() error {
		for _, size := range b.bodies {
			l := prepareFor(length*time.Duration(len(b.conns)), size, event.TypeMessageDelivered)
			sides := []contender{b.bareSide(l, b.server()), b.heldSide(l, "", b.server()), b.copiesSide(l, b.server())}
			switch {
			case why != nil:
			case size == goalBody:
				sides = append(sides, b.expressSides()...)
			default:
				sides = append(sides, b.expressSide(queueName, expressQueue))
			}
			var drives []drive
			for _, conns := range b.conns {
				drives = append(drives, drive{load: l, conns: conns, length: length})
			}
			b.say("  bodies of %d B", size)
			all, err := b.contest(ctx, sides, drives...)
			if err != nil {
				return err
			}
			out.join(cells(all))
		}
		return nil
	})
	return out, err
}

// cells compares each side's cells with those of the first.
func cells(all [][]*series) (out outcome) {
	yard := all[0]
	for _, cells := range all {
		for _, s := range cells {
			s.Setting = fmt.Sprintf("%d B, %d connections", s.Body, s.Conns)
		}
		out.Series = append(out.Series, cells...)
	}
	for i, ours := range all[1] {
		what := fmt.Sprintf("new event, %d B, %d connections, one core", ours.Body, ours.Conns)
		out.Comparisons = append(out.Comparisons, compare(what, perSecond, yard[i], ours, goal{}))
	}
	return out
}
