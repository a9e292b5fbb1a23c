//go:build linux

package postgres

import (
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestContract: the server's process dies under a commit that waits for the standby.
func TestContract(t *testing.T) {
	t.Parallel()
	spooltest.RunShared(t, makeEngine(pgtest.Faults{Failure: pgtest.Crash}))
}

// faulty are the cases that hold up commits or make them fail.
var faulty = []string{
	"an accept is whole wherever it is stopped",
	"an accept is answered after its sync",
	"an accept is told the truth after a failed sync",
	"a failed sync is not believed after a restart",
	"an opening whose sync fails is not believed",
	"a failed sync is shared",
	"an entry is released in the commit of its event",
	"Close waits",
	"a context ends the waiting only",
	"reads go on beside a sync",
	"copies in two processes are accepted once",
}

// TestContractByFault does the same to commits in the other ways that are seen in the
// field.
func TestContractByFault(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]pgtest.Faults{
		"the session is ended":         {AtStandby: true, Failure: pgtest.Terminate},
		"the wait is cancelled":        {Failure: pgtest.Cancel},
		"the answer is lost":           {Failure: pgtest.LoseAnswer},
		"it is held up at the standby": {AtStandby: true, Failure: pgtest.Crash},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cases := faulty
			if how.Failure == pgtest.LoseAnswer { // What leaves most behind; they take long.
				cases = append(slices.Clone(faulty), "random calls agree with the model")
			}
			for _, c := range cases {
				t.Run(c, func(t *testing.T) {
					t.Parallel()
					for _, f := range spooltest.Check(t, makeEngine(how), c) {
						t.Error(f.Log)
					}
				})
			}
		})
	}
}
