//go:build linux

package postgres

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	spooltest.Run(t, makeEngine(pgtest.Faults{Failure: pgtest.Crash}))
}
