package sqlite

import (
	"os"
	"testing"

	"github.com/inboxgate/inboxgate/internal/overlay"
)

// mutant is the name of the mistake that this process makes. The product does
// not know it: what reads it is laid over the source by TestMutants, for a build
// of this package's tests alone. Empty, the build behaves as the source says.
var mutant = os.Getenv(mutantEnv) //nolint:unused // What is laid over the source reads it.

const (
	mutantEnv = "SPOOL_MUTANT"
	here      = "internal/spool/sqlite/"
)

// mutants are mistakes that this engine could be making, each with the tests
// that must see it. With several replacements a mistake takes all of them.
var mutants = []overlay.Mutant{
	{
		Name: "200 before the fsync",
		Change: []overlay.Replacement{{
			File: here + "commit.go", Old: "w.setSynchronous(durable)", New: "w.setSynchronous(durable && !CHOSEN)",
		}},
		Tests: []string{
			"TestContract/an accept survives every end",
			"TestContract/an accept is answered after its sync",
		},
	},
	{
		Name: "settles are not fenced",
		Change: []overlay.Replacement{{
			File: here + "lease.go", Old: "mine.fence != l.Fence {", New: "mine.fence != l.Fence && !CHOSEN {",
		}},
		Tests: []string{"TestContract/leases are fenced"},
	},
	{
		Name: "the log is believed as found",
		Change: []overlay.Replacement{{
			File: here + "open.go", Old: "func (w *writer) recoverLog() (whole bool, err error) {\n",
			New: "func (w *writer) recoverLog() (whole bool, err error) {\n\tif CHOSEN {\n\t\treturn false, nil\n\t}\n",
		}},
		Tests: []string{"TestContract/a failed sync is not believed after a restart"},
	},
	{
		Name: "the id is committed before the event",
		Change: []overlay.Replacement{{
			File: here + "accept.go", Old: "\treturn a.store(w, src)\n",
			New: "\tif CHOSEN {\n\t\treturn w.claim(idKey{src.id, a.Event.ID}, knownID{a.Event.Digest, w.seq})\n\t}\n\treturn a.store(w, src)\n",
		}, {
			File: here + "accept.go", Old: ", a.decide)\n",
			New: ", a.decide)\n\tif CHOSEN && err == nil && a.receipt.Verdict == 0 {\n" +
				"\t\terr = s.submit(ctx, true, 0, func(w *writer) error { return a.store(w, w.sources[in.Event.Source]) })\n\t}\n",
		}},
		Tests: []string{"TestContract/an accept is whole wherever it is stopped"},
	},
	{
		Name: "an index that another process keeps is believed",
		Change: []overlay.Replacement{{
			File: here + "log_renew.go", Old: "\treturn x.invalidate()\n", New: "\tif CHOSEN {\n\t\treturn nil\n\t}\n\treturn x.invalidate()\n",
		}},
		Tests: []string{"TestPowerCutBesideAReaderThatStays"},
	},
	{
		Name: "the newest ids are not read back",
		Change: []overlay.Replacement{{
			File: here + "open.go", Old: "\tif err := w.readRecentIDs(); err != nil {\n\t\treturn err\n\t}\n",
			New: "\tif err := w.readRecentIDs(); err != nil {\n\t\treturn err\n\t}\n\tif CHOSEN {\n\t\tw.recent = recentIDs{gathering: newGeneration()}\n\t}\n",
		}},
		Tests: []string{"TestContract/an accept survives every end"},
	},
	{
		Name: "the watermark is not kept",
		Change: []overlay.Replacement{{
			File: here + "ids_forget.go", Old: "mark > src.watermark {", New: "mark > src.watermark && !CHOSEN {",
		}},
		Tests: []string{"TestContract/a raised window makes nothing fresh"},
	},
	{
		Name: "nothing takes the place of what has ended",
		Change: []overlay.Replacement{{
			File: here + "settle.go", Old: "	return w.promote(l.route, l.key)\n",
			New: "	if CHOSEN {\n		return nil\n	}\n	return w.promote(l.route, l.key)\n",
		}},
		Tests: []string{"TestContract/the end of one lets the next of its key go"},
	},
	{
		Name: "nothing takes the place of what retention ends",
		Change: []overlay.Replacement{{
			File: here + "retention.go", Old: "ended = append(ended, d)", New: "if !CHOSEN {\n					ended = append(ended, d)\n				}",
		}},
		Tests: []string{"TestContract/the next of a key goes when retention ends the first"},
	},
	{
		Name: "what runs of a key is overlooked",
		Change: []overlay.Replacement{{
			File: here + "keys.go", Old: "key == 0 || rt.runs[key] > 0 {\n", New: "key == 0 || rt.runs[key] > 0 && !CHOSEN {\n",
		}},
		Tests: []string{"TestContract/one of a key is born running"},
	},
	{
		Name: "the newest of a key goes next",
		Change: []overlay.Replacement{{
			File: here + "statements.go", Old: "INDEXED BY behind\n			WHERE route=? AND key=? AND state=8 ORDER BY number LIMIT 1`}",
			New: "INDEXED BY behind\n			WHERE route=? AND key=? AND state=8 ORDER BY number ` + map[bool]string{true: `DESC `}[CHOSEN] + `LIMIT 1`}",
		}},
		Tests: []string{"TestContract/of a key one goes at a time"},
	},
}

// TestMutants: the tests see the mistakes that this engine could be making, each
// by the name of the promise it breaks.
func TestMutants(t *testing.T) {
	t.Parallel()
	overlay.Hunt(t, mutantEnv, mutants)
}
