//go:build linux

package shared

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/proof/machines"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// Somebody holds a snapshot for as long as the test lasts, as a dump does, so that no row
// that ended is ever cleaned up. Events are leased and delivered all the same.
func TestFaultSnapshotHeld(t *testing.T) {
	t.Parallel()
	f := machines.New(t, machines.Options{Rate: 400})
	f.Start()
	first := f.Background(0)
	f.AwaitAcked(10)
	first()
	conn, err := pgx.Connect(t.Context(), f.Primary.SocketDSN(f.Database))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	var before int
	if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM inboxgate.events").Scan(&before); err != nil {
		t.Fatal(err)
	}
	// With the apps down all is queued, and leased when they are back.
	rounds := rig.Rounds(2, 20)
	for range rounds {
		f.Outage(300 * rig.Rounds(1, 3))
		f.AwaitAll()
	}
	var after int
	if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM inboxgate.events").Scan(&after); err != nil || after != before {
		t.Errorf("the snapshot shows %d events, and showed %d: %v", after, before, err)
	}
	f.AwaitEnded()
	if err := tx.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	f.Finish([]int{78}, "a snapshot is held all the while; backlogs are leased", rounds)
}
