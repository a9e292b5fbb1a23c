package faults

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/internal/spool"
)

const tailEvents = 5

// markNumber is how many bytes of a mark are the number. What follows says of
// which store it is.
const markNumber = 12

// TestFaultTornTail cuts the log within its last transaction, and fills what was
// there with zeros. Where nobody had been told of that transaction, the store
// opens with all the others and says what it dropped. Where somebody had, it
// refuses to open and says how many it lacks.
func TestFaultTornTail(t *testing.T) {
	t.Parallel()
	whole, _ := small(t, tailEvents)
	ends := whole.commits()
	from, to := ends[len(ends)-2], ends[len(ends)-1]
	earlier, _ := small(t, tailEvents-1)
	dir, rounds := memory(t), 0
	for _, cut := range cuts(from, to) {
		for _, zeros := range []bool{false, true} {
			torn := whole
			torn.Log = bytes.Clone(whole.Log[:cut])
			if zeros {
				torn.Log = append(torn.Log, make([]byte, to-cut)...)
			}
			if bytes.Equal(torn.Log, whole.Log) {
				continue // The last bytes were zeros.
			}
			rounds += 2
			torn.Mark = slices.Concat(earlier.Mark[:markNumber], whole.Mark[markNumber:])
			torn.write(t, dir)
			f := tryStore(t, dir, tailEvents-1)
			told := strings.Contains(f.log, "the end of the log was not written whole")
			if f.err != nil || len(f.good) != tailEvents-1 || len(f.wrong) > 0 || told != (len(torn.Log) > from) {
				t.Errorf("cut at %d of %d to %d, zeros %v: %d events, %v, %s", cut, from, to, zeros, len(f.good), f.err, f.log)
			}
			torn.Mark = whole.Mark
			torn.write(t, dir)
			if f := tryStore(t, dir, tailEvents); !errors.Is(f.err, spool.ErrDamaged) || !strings.Contains(f.err.Error(), "acknowledged up to number 5 and ends at 4") {
				t.Errorf("cut at %d, zeros %v, of an acknowledged event: %v", cut, zeros, f.err)
			}
		}
	}
	if err := rig.Tell(history.Line{
		Rows: []int{4}, Fault: "log cut in its last transaction, or zeros there", Test: t.Name(), Rounds: rounds,
		Sent: tailEvents, Acked: tailEvents, Failed: t.Failed(),
	}); err != nil {
		t.Error(err)
	}
	t.Logf("%d rounds over %d bytes", rounds, to-from)
}

// cuts are the places to cut at: in the long form each byte of a frame's head, and
// each eighth of its page.
func cuts(from, to int) (at []int) {
	step := 8
	if !rig.Long() {
		step = (to - from) / 8
	}
	for cut := from; cut < to; cut++ {
		if inFrame := (cut - logHead) % logFrame; rig.Long() && inFrame <= 24 || (cut-from)%step == 0 {
			at = append(at, cut)
		}
	}
	return at
}
