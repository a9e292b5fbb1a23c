package deliver

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func TestInARow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		signs []sign
		held  bool
	}{
		{"two never reached", []sign{unreached, unreached}, false},
		{"three never reached", []sign{unreached, unreached, unreached}, true},
		{"an answer between", []sign{unreached, unreached, useful, unreached}, false},
		{"a shutdown says nothing", []sign{unreached, unreached, silent, unreached}, true},
		{"four useless", []sign{useless, useless, useless, useless}, false},
		{"five useless", []sign{useless, useless, useless, useless, useless}, true},
		{"a refusal between", []sign{useless, useless, useless, useless, useful, useless}, false},
		{"mixed", []sign{useless, unreached, useless, unreached, useless, useless}, false},
	} {
		var h holding
		for i, s := range c.signs {
			h.note(time.Now(), result{sign: s, delivery: int64(i)})
		}
		if (h.current != nil) != c.held {
			t.Errorf("%s: hold %+v", c.name, h.current)
		}
	}
}

func TestProbePauses(t *testing.T) {
	t.Parallel()
	now := time.Now()
	h := holding{current: &spool.Hold{NextProbe: now}}
	for i, want := range []int{2, 4, 8, 15, 15, 15} {
		if c := h.note(now, result{sign: unreached, probe: true}); c != stillHeld {
			t.Fatalf("change %v", c)
		}
		if got := h.current.NextProbe.Sub(now); got != time.Duration(want)*time.Second || h.current.Probes != i+1 {
			t.Errorf("after probe %d: %v, want %v s", h.current.Probes, got, want)
		}
	}
	h.note(now, result{sign: useless, probe: true, wait: maxProbeWait})
	if got := h.current.NextProbe.Sub(now); got != maxProbeWait {
		t.Errorf("Retry-After: next probe after %v", got)
	}
	before := *h.current
	if c := h.note(now, result{sign: unreached}); c != unchanged || *h.current != before {
		t.Error("an attempt that is no probe moved the probes")
	}
	if c := h.note(now, result{sign: useful}); c != nowResumed || h.current != nil {
		t.Error("an answer did not resume")
	}
}

func TestOnlyTheLoneSuspectIsNotSpared(t *testing.T) {
	t.Parallel()
	now := time.Now()
	due := now.Add(time.Hour)
	h := holding{}
	for range uselessToHold {
		h.note(now, result{sign: useless, delivery: 7, due: due})
	}
	for _, c := range []struct {
		delivery int64
		at       time.Time
		spared   bool
	}{{7, now, true}, {7, due, false}, {8, due, true}} {
		if got := h.spares(c.delivery, c.at); got != c.spared {
			t.Errorf("delivery %d: spared %v", c.delivery, got)
		}
	}
	h.note(now, result{sign: useless, delivery: 8, due: due, probe: true})
	if !h.spares(7, due) {
		t.Error("with two of them the upstream is to blame")
	}
}

func TestAdoptBoundsTheNextProbe(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var h holding
	if c := h.adopt(now, &spool.Hold{NextProbe: now.Add(24 * time.Hour)}); c != nowHeld {
		t.Errorf("change %v", c)
	}
	if got := h.current.NextProbe.Sub(now); got != probeAfter(0) {
		t.Errorf("next probe after %v", got)
	}
	if c := h.adopt(now, nil); c != nowResumed {
		t.Errorf("change %v", c)
	}
	if c := h.adopt(now, nil); c != unchanged {
		t.Errorf("change %v", c)
	}
}

// A hold is read again and again. One whose times are by a clock that was set
// back since must not put the probe off each time.
func TestClockSetBackDelaysNoProbe(t *testing.T) {
	t.Parallel()
	now := time.Now()
	h := holding{current: &spool.Hold{Probes: 9, NextProbe: now.Add(5 * time.Second)}}
	for after := range 3 {
		h.adopt(now.Add(time.Duration(after)*time.Second), &spool.Hold{Probes: 9, NextProbe: now.Add(24 * time.Hour)})
		if got := h.current.NextProbe.Sub(now); got != 5*time.Second {
			t.Errorf("after %d s the next probe is %v from the beginning, want 5 s", after, got)
		}
	}
	restarted := holding{}
	for range 3 {
		restarted.adopt(now, &spool.Hold{Probes: 9, NextProbe: now.Add(24 * time.Hour)})
		now = now.Add(6 * time.Second)
	}
	if restarted.current.NextProbe.After(now) {
		t.Errorf("18 s after a restart the next probe is %v away", restarted.current.NextProbe.Sub(now))
	}
}
