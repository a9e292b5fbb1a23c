package faults

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/internal/spool"
)

const flipEvents = 6

// TestFaultFlippedBits flips a bit of each byte of a store, one at a time: of the
// database after a clean end, and of the log after a kill. Either the store
// refuses to open and says that it is damaged, or every event is delivered as it
// was stored, but for those that are told to be damaged. None is missing in
// silence, and none comes with other bytes.
func TestFaultFlippedBits(t *testing.T) {
	t.Parallel()
	killed, closed := small(t, flipEvents)
	for name, f := range map[string]storeFiles{"database": closed, "log": killed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := memory(t)
			b := &f.DB
			if name == "log" {
				b = &f.Log
			}
			var n flipCount
			for at := rig.Seed(t) % 64; at < uint64(len(*b)); at += step(*b, int(at)) {
				damaged := f
				flipped := bytes.Clone(*b)
				flipped[at] ^= 1 << (at % 8)
				if name == "log" {
					damaged.Log = flipped
				} else {
					damaged.DB = flipped
				}
				damaged.write(t, dir)
				n.add(t, fmt.Sprintf("byte %d of the %s", at, name), tryStore(t, dir, flipEvents))
			}
			t.Logf("%s: %+v", name, n)
			if err := rig.Tell(history.Line{
				Rows: []int{5}, Fault: "a bit flipped in the " + name, Test: t.Name(), Rounds: n.Rounds,
				Sent: flipEvents, Acked: flipEvents, Lost: n.Silent, WronglyAccepted: n.Wrong, Failed: t.Failed(),
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

// flipCount is what came of the flips.
type flipCount struct {
	Rounds, Refused, Whole, Told int
	// Forgotten: no event is lost, but an id is no longer known, or another one
	// instead.
	Forgotten, Silent, Wrong int
}

func (n *flipCount) add(t *testing.T, what string, f found) {
	t.Helper()
	n.Rounds++
	n.Wrong += len(f.wrong)
	switch {
	case len(f.wrong) > 0:
		t.Errorf("%s: handed out with other bytes: %v", what, f.wrong)
	case f.err != nil && refusedWell(f.err):
		n.Refused++
	case f.err != nil:
		t.Errorf("%s: the error does not say what is damaged: %v", what, f.err)
	case len(f.good)+f.damaged < flipEvents:
		n.Silent++
		t.Errorf("%s: %d events of %d, %d of them told to be damaged", what, len(f.good)+f.damaged, flipEvents, f.damaged)
	case f.damaged > 0:
		n.Told++
	default:
		n.Whole++
	}
	for i := range flipEvents {
		if f.err == nil && f.good[i] && !f.known[i] {
			n.Forgotten++
		}
	}
}

// refusedWell says that an error tells of damage, or that the file is no store.
func refusedWell(err error) bool {
	return errors.Is(err, spool.ErrDamaged) || slices.ContainsFunc(
		[]string{"a database of another program", "the store has the unknown version", "use the newer program"},
		func(words string) bool { return strings.Contains(err.Error(), words) })
}

// step goes to the next place: in the long form to the next byte, but over the
// zeros of a page that is not full 61 at a time, and else over a part of a page.
func step(b []byte, at int) uint64 {
	switch {
	case !rig.Long():
		return 1021
	case len(b) >= at+256 && bytes.Count(b[at:at+256], []byte{0}) == 256:
		return 61
	}
	return 1
}
