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
	{
		Name: "keys have no locks",
		Change: []overlay.Replacement{{
			File: here + "order.go", Old: "if len(slots) == 0 {", New: "if len(slots) == 0 || CHOSEN {",
		}},
		Tests: []string{"TestAKeyIsLockedUntilTheCommit/two are accepted", "TestAKeyIsLockedUntilTheCommit/its head ends"},
	},
	{
		Name: "keys are locked as they come",
		Change: []overlay.Replacement{{
			File: here + "order.go", Old: "\tslices.Sort(slots)\n", New: "\tif !CHOSEN {\n\t\tslices.Sort(slots)\n\t}\n",
		}},
		Tests: []string{"TestKeysOfTwoMembersNeverWaitInACircle"},
	},
	{
		Name: "nothing is promoted",
		Change: []overlay.Replacement{{
			File: here + "order.go", Old: "if len(keys) == 0 {", New: "if len(keys) == 0 || CHOSEN {",
		}},
		Tests: []string{
			"TestContract/the end of one lets the next of its key go",
			"TestContract/the next of a key goes when retention ends the first",
			"TestContract/random calls keep keys in order",
		},
	},
	{
		Name: "what is let go queues all that comes",
		Change: []overlay.Replacement{{
			File: here + "order.go", Old: "if x.state == fresh {", New: "if x.state == fresh && !CHOSEN {",
		}},
		Tests: []string{"TestWhatWasLetGoLetsOthersStart"},
	},
	{
		Name: "a key is looked at with what has no key",
		Change: []overlay.Replacement{{
			File: here + "settle.go", Old: "e.of, by = keyed{mine.route, mine.key}, s.ordered",
			New: "e.of, by = keyed{mine.route, mine.key}, s.ordered\n\t\tif CHOSEN {\n\t\t\tby = s.settles\n\t\t}",
		}},
		Tests: []string{"TestAKeyIsLockedUntilTheCommit/its head ends"},
	},
	{
		Name: "numbers are drawn in the order of ids",
		Change: []overlay.Replacement{{
			File: here + "accepts.go", Old: "\tif !ordered {\n", New: "\tif !ordered || CHOSEN {\n",
		}},
		Tests: []string{"TestNumbersOfAKeyRiseAsItComes"},
	},
	{
		Name: "what an older program ends is not followed",
		Change: []overlay.Replacement{{
			File: here + "chores.go", Old: "\t\t_ = s.mend(ctx)\n", New: "\t\tif !CHOSEN {\n\t\t\t_ = s.mend(ctx)\n\t\t}\n",
		}},
		Tests: []string{"TestWhatAnOlderMemberEndsIsFollowed"},
	},
}

// TestMutants: the tests see the mistakes that this engine could be making, each
// by the name of the promise it breaks.
func TestMutants(t *testing.T) {
	t.Parallel()
	pgtest.Need(t)
	overlay.Hunt(t, mutantEnv, mutants)
}
