//go:build linux

package shared

import (
	"testing"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/proof/machines"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// A pgbouncer between the machines and the database is killed and started again under
// load. A connection that is lost in a commit is a commit of unknown outcome.
func TestFaultPoolerRestarted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ mode, dsn string }{
		{"session", ""},
		// It is too old to know prepared statements in this mode.
		{"transaction", "&default_query_exec_mode=cache_describe"},
	} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			var pooler *pgtest.Bouncer
			f := machines.New(t, machines.Options{DSN: func(f *machines.Fleet) string {
				pooler = pgtest.StartBouncer(t, f.Primary, pgtest.BouncerOptions{Mode: c.mode})
				return pooler.DSN(f.Database) + c.dsn
			}})
			f.Start()
			stop := f.Background(0)
			rounds := rig.Rounds(3, 25)
			for range rounds {
				f.AwaitAcked(100 * rig.Rounds(1, 3))
				f.Shake(pooler.Restart)
			}
			f.AwaitAcked(100)
			stop()
			f.Finish([]int{77}, "kill -9 of pgbouncer in mode "+c.mode+" under load, and a new one", rounds)
		})
	}
}
