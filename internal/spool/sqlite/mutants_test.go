package sqlite

import (
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

// TestMutants: the suite sees the faults that this engine could have.
func TestMutants(t *testing.T) {
	t.Parallel()
	for _, m := range []struct {
		name  string
		fault faults
		cases []string
	}{
		{"200 before the fsync", faults{noSync: true}, []string{
			"an accept survives every end", "an accept is answered after its sync",
		}},
		{"settles are not fenced", faults{unfenced: true}, []string{"leases are fenced"}},
		{"the log is believed as found", faults{noTruncate: true}, []string{
			"a failed sync is not believed after a restart",
		}},
		{"the id is marked before the commit", faults{markFirst: true}, []string{
			"an accept is whole wherever it is stopped",
		}},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			spooltest.MustFail(t, makeEngine(m.fault), m.cases...)
		})
	}
}

// TestMutantBesideAReader: a start that believes what the index of a process that
// stays says was copied loses events.
func TestMutantBesideAReader(t *testing.T) {
	t.Parallel()
	lost, err := besideAReader(t, faults{keepCopied: true})
	t.Logf("%d events are lost, %v", lost, err)
	if err == nil && lost == 0 {
		t.Error("it was not caught")
	}
}
