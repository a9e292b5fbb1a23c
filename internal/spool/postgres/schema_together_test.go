//go:build linux

package postgres_test

import (
	"testing"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool/postgres"
)

// The machines of a new deployment start at the same time, with no table there: each of
// them finds or makes all of it.
func TestFirstStartsTogether(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	const machines = 6
	ended := make(chan error, machines)
	for range machines {
		go func() {
			_, to, err := postgres.Migrate(t.Context(), dsn, postgres.Options{})
			if err == nil && to == 0 {
				t.Error("no table was made, and no error returned")
			}
			ended <- err
		}()
	}
	for range machines {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
