//go:build linux

package postgres

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

// TestFencesAreOfOneMember: no two processes give one fence, and none gives one that a
// former one has given, whatever they have done since they began.
func TestFencesAreOfOneMember(t *testing.T) {
	t.Parallel()
	const each = 100
	e, _ := openEngine(t, pgtest.Faults{})
	given := map[int64]bool{}
	give := func(p *process) {
		t.Helper()
		first := p.st.fence(each)
		for f := first; f < first+each; f++ {
			if given[f] {
				t.Errorf("fence %d is given twice", f)
			}
			given[f] = true
		}
	}
	give(e.first)
	if _, err := e.Peer(t, spooltest.Options{Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	give(e.peer)
	e.Kill(t)
	if _, err := e.Open(t, spooltest.Options{Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	give(e.first)
}
