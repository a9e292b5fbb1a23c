//go:build linux

package machines

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// Settle lets everything arrive: every machine has a process, the apps are up, what had
// no 200 is sent again, and when all has come and has ended in the store too, a copy of
// every event to a machine by chance, which must be a duplicate.
func (f *Fleet) Settle() {
	f.t.Helper()
	f.StartApps()
	f.Start()
	f.Again(f.Unanswered())
	f.AwaitAll()
	f.AwaitEnded()
	f.Again(f.Acknowledged())
	f.AwaitAll()
	f.AwaitEnded()
}

// undone counts deliveries that have not ended.
const undone = "SELECT NOT EXISTS (SELECT FROM inboxgate.deliveries WHERE state IN (1,2,3,6))"

// AwaitEnded waits until the store has no delivery that is to be tried, or that runs.
func (f *Fleet) AwaitEnded() {
	f.t.Helper()
	if err := f.Primary.Until(f.Database, undone); err != nil {
		f.t.Errorf("deliveries have not ended: %v", err)
	}
}

// Finish settles, stops the machines, notes what the database has, and reports.
func (f *Fleet) Finish(rows []int, fault string, rounds int) history.Report {
	f.t.Helper()
	f.Settle()
	f.Stop()
	f.Books()
	return f.Report(rows, fault, rounds)
}

// Report judges the record.
func (f *Fleet) Report(rows []int, fault string, rounds int) history.Report {
	f.t.Helper()
	report := f.Rig.Report(rows, fault, rounds)
	f.t.Logf("nobody worked for %v at most, and for %v behind a trouble; this process did not run for %v in all",
		report.Idle.Round(time.Millisecond), report.Orphaned.Round(time.Millisecond), time.Duration(f.stalled.Load()).Round(time.Millisecond))
	return report
}

// states are those of a delivery, and whether it has ended.
var states = map[int16]history.Kept{
	1: {State: "available"}, 2: {State: "running"}, 3: {State: "retrying"}, 4: {State: "delivered", Ended: true},
	5: {State: "a dead letter", Ended: true}, 6: {State: "available again"}, 7: {State: "discarded", Ended: true},
}

// Books notes what the database has of every event.
func (f *Fleet) Books() {
	f.t.Helper()
	f.check(f.Read(f.Primary))
}

// Read notes what a server has of every event.
func (f *Fleet) Read(c *pgtest.Cluster) error {
	ctx, cancel := context.WithTimeout(context.Background(), pgtest.Patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.SocketDSN(f.Database))
	if err != nil {
		return fmt.Errorf("reading the store: %w", err)
	}
	err = f.read(ctx, conn)
	return errors.Join(err, conn.Close(ctx))
}

// lost counts rows that belong to no other, and ids without their event.
const lost = `SELECT (SELECT count(*) FROM inboxgate.deliveries d WHERE NOT EXISTS (SELECT FROM inboxgate.events e WHERE e.seq=d.number>>12))
	+ (SELECT count(*) FROM inboxgate.ids i WHERE NOT EXISTS (SELECT FROM inboxgate.events e WHERE e.seq=i.seq AND e.source=i.source AND e.id=i.id))
	+ (SELECT count(*) FROM inboxgate.events e WHERE NOT EXISTS (SELECT FROM inboxgate.ids i WHERE e.seq=i.seq AND e.source=i.source AND e.id=i.id))`

func (f *Fleet) read(ctx context.Context, conn *pgx.Conn) error {
	var odd int
	if err := conn.QueryRow(ctx, lost).Scan(&odd); err != nil {
		return fmt.Errorf("counting rows that fit to no other: %w", err)
	}
	if odd > 0 {
		f.Log.Fault("%d rows of the store fit to no other", odd)
	}
	rows, err := conn.Query(ctx, `SELECT e.seq, e.id, coalesce(r.name,''), coalesce(d.state,0) FROM inboxgate.events e
		LEFT JOIN inboxgate.deliveries d ON d.number>>12=e.seq LEFT JOIN inboxgate.routes r ON r.route=d.route ORDER BY e.seq, d.number`)
	if err != nil {
		return fmt.Errorf("reading events: %w", err)
	}
	defer rows.Close()
	var last int64
	var id string
	var kept []history.Kept
	for rows.Next() {
		var seq int64
		var of, route string
		var state int16
		if err := rows.Scan(&seq, &of, &route, &state); err != nil {
			return fmt.Errorf("reading events: %w", err)
		}
		if seq != last && last != 0 {
			f.Log.Keeps(id, kept)
			kept = nil
		}
		last, id = seq, of
		if route != "" {
			k := states[state]
			k.Route = route
			kept = append(kept, k)
		}
	}
	if last != 0 {
		f.Log.Keeps(id, kept)
	}
	return rows.Err()
}

// Replace stops the process of a machine, and starts another when change has been made.
func (f *Fleet) Replace(m *rig.Rig, change func()) {
	f.t.Helper()
	if code := m.Stop(); code != 0 {
		f.t.Errorf("SIGTERM ends with exit code %d", code)
	}
	change()
	m.Start()
}

// Outage has n events come in while no app can be reached.
func (f *Fleet) Outage(n int) {
	f.t.Helper()
	from := time.Now()
	f.StopApps()
	stop := f.Background(0)
	f.AwaitAcked(n)
	stop()
	f.StartApps()
	f.Log.Trouble(history.Slow, 0, from, time.Now())
}

// Await waits until a condition holds, which the record or something beside it shows.
func (f *Fleet) Await(what string, done func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(pgtest.Patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("after %s still no sign of this: %s\n%s", pgtest.Patience, what, f.Log.Missing())
		}
	}
}
