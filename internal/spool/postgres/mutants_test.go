//go:build linux

package postgres

import (
	"os"
	"testing"

	"github.com/inboxgate/inboxgate/internal/overlay"
	"github.com/inboxgate/inboxgate/internal/pgtest"
)

// mutant is the name of the mistake that this process makes. The product does
// not know it: what reads it is laid over the source by TestMutants, for a build
// of this package's tests alone. Empty, the build behaves as the source says.
var mutant = os.Getenv(mutantEnv) //nolint:unused // What is laid over the source reads it.

const (
	mutantEnv = "SPOOL_MUTANT"
	here      = "internal/spool/postgres/"
)

// mutants are mistakes that this engine could be making, each with the tests
// that must see it.
var mutants = []overlay.Mutant{
	{
		Name: "events are committed as settles are",
		Change: []overlay.Replacement{{
			File: here + "link.go", Old: `return s.trip(durable, "on") }`,
			New: `
				if CHOSEN {
					return s.relaxedly()
				}
				return s.trip(durable, "on")
			}`,
		}},
		Tests: []string{
			"TestContract/an accept survives every end",
			"TestContract/an accept is answered after its sync",
		},
	},
	{
		Name: "a duplicate waits for nothing",
		Change: []overlay.Replacement{{
			File: here + "known.go", Old: "\tt.do(leaveTrace, x.s.me, x.number)\n",
			New: "\tif !CHOSEN {\n\t\tt.do(leaveTrace, x.s.me, x.number)\n\t}\n",
		}},
		Tests: []string{"TestAnAmbiguousCommitIsRecognised/terminate"},
	},
	{
		Name: "a warning is taken for success",
		Change: []overlay.Replacement{{
			File: here + "link.go", Old: "if err == nil && l.warned != nil {", New: "if err == nil && l.warned != nil && !CHOSEN {",
		}},
		Tests: []string{
			"TestContractByFault/the wait is cancelled/a failed sync is not believed after a restart",
			"TestACommitThatStaysAmbiguousIsNoSuccess/cancel",
		},
	},
	{
		Name: "what was forgotten meanwhile is fresh",
		Change: []overlay.Replacement{{
			File: here + "accepts.go", Old: "\tt.do(checkMarks, rows.marked, rows.marks)\n",
			New: "\tif !CHOSEN {\n\t\tt.do(checkMarks, rows.marked, rows.marks)\n\t}\n",
		}},
		Tests: []string{"TestContract/what one process has forgotten is not fresh in another"},
	},
	{
		Name: "all members give the same fences",
		Change: []overlay.Replacement{{
			File: here + "accept.go", Old: "\treturn s.me<<32 | (last",
			New: "\tif CHOSEN {\n\t\treturn last - int64(n) + 1\n\t}\n\treturn s.me<<32 | (last",
		}},
		Tests: []string{"TestFencesAreOfOneMember"},
	},
	{
		Name: "an own commit is not recognised",
		Change: []overlay.Replacement{{
			File: here + "known.go", Old: "case same && own.tag == a.tag:", New: "case same && own.tag == a.tag && !CHOSEN:",
		}},
		Tests: []string{"TestAnAmbiguousCommitIsRecognised/lose the answer"},
	},
	{
		Name: "what an operator holds is relaxed",
		Change: []overlay.Replacement{{
			File: here + "configure.go", Old: `tx.Exec(ctx, durable, "on"); err`,
			New: `tx.Exec(ctx, relaxed, "off"); CHOSEN && err == nil {
			} else if _, err := tx.Exec(ctx, durable, "on"); err`,
		}},
		Tests: []string{"TestContract/holds last"},
	},
}

// TestMutants: the tests see the mistakes that this engine could be making, each
// by the name of the promise it breaks.
func TestMutants(t *testing.T) {
	t.Parallel()
	pgtest.Need(t)
	overlay.Hunt(t, mutantEnv, mutants)
}
