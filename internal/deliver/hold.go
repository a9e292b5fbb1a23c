package deliver

import (
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// unreachedToHold and uselessToHold are how many in a row hold a route.
	unreachedToHold = 3
	uselessToHold   = 5
	// maxProbeWait bounds a Retry-After that postpones a probe.
	maxProbeWait = 5 * time.Minute
)

// probeAfter returns the pause after the nth failed probe, n = 0 for the pause
// between the hold and the first probe: 1, 2, 4, 8, then 15 s.
func probeAfter(n int) time.Duration {
	if n < 4 {
		return time.Second << n
	}
	return 15 * time.Second
}

// change is what an attempt did to its route.
type change uint8

const (
	unchanged change = iota
	nowHeld
	stillHeld // a probe failed
	nowResumed
)

// holding is the machine that holds and resumes a route. It knows no store and
// no lock: worker guards it.
type holding struct {
	current *spool.Hold // nil unless the route is held
	// probing: one probe is leased and its result has not come.
	probing bool
	// turn is the delivery that was probed with last.
	turn int64

	unreached, useless int // in a row

	// A hold that rests on one delivery alone proves nothing about the
	// upstream: the delivery may be poison. So while every bad result since the
	// last good one came from the suspect, its schedule goes on: what it does
	// from suspectDue on counts, held or not, and it ends as a dead letter.
	suspect    int64
	suspectDue time.Time
	several    bool
}

// result is what holding needs to know of one attempt.
type result struct {
	sign     sign
	delivery int64
	probe    bool
	wait     time.Duration // Retry-After, bounded by maxProbeWait
	due      time.Time     // when the delivery's own schedule goes on
	why      string
}

// note takes the result of an attempt that ended at now.
func (h *holding) note(now time.Time, r result) change {
	if r.probe {
		h.probing = false
	}
	switch r.sign {
	case silent:
		return unchanged
	case useful:
		h.unreached, h.useless, h.suspect, h.several = 0, 0, 0, false
		if h.current == nil || h.current.ByHand {
			return unchanged
		}
		h.current = nil
		return nowResumed
	case unreached:
		h.unreached++
		h.several = true
	case useless:
		h.useless++
		h.blame(r)
	}
	switch {
	case h.current == nil && (h.unreached >= unreachedToHold || h.useless >= uselessToHold):
		h.current = &spool.Hold{Since: now, Reason: r.why, NextProbe: now.Add(max(probeAfter(0), r.wait))}
		return nowHeld
	case h.current != nil && !h.current.ByHand && r.probe:
		next := *h.current
		next.Probes++
		next.Reason = r.why
		next.NextProbe = now.Add(max(probeAfter(next.Probes), r.wait))
		h.current = &next
		return stillHeld
	}
	return unchanged
}

func (h *holding) blame(r result) {
	if h.suspect == 0 {
		h.suspect, h.suspectDue = r.delivery, time.Time{}
	}
	if h.suspect != r.delivery {
		h.several = true
		return
	}
	if !r.due.IsZero() && (h.suspectDue.IsZero() || r.due.After(h.suspectDue)) {
		h.suspectDue = r.due
	}
}

// spares says whether an attempt of delivery, begun at start while the route
// was held, uses no attempt.
func (h *holding) spares(delivery int64, start time.Time) bool {
	alone := h.suspect == delivery && !h.several && !h.suspectDue.IsZero()
	return !alone || start.Before(h.suspectDue)
}

// adopt takes over what the store says about the route: another dispatcher, an
// operator or an earlier run may have changed it.
func (h *holding) adopt(now time.Time, stored *spool.Hold) change {
	was := h.current
	if stored == nil {
		h.current = nil
		if was == nil {
			return unchanged
		}
		h.unreached, h.useless, h.suspect, h.several = 0, 0, 0, false
		return nowResumed
	}
	next := *stored
	// The clock of an earlier run may have been ahead, or the machine's was set
	// back since: such a time says nothing.
	if next.NextProbe.After(now.Add(maxProbeWait)) {
		next.NextProbe = now.Add(probeAfter(next.Probes))
		if was != nil && was.NextProbe.Before(next.NextProbe) {
			next.NextProbe = was.NextProbe // Else each reading would put it off.
		}
	}
	h.current = &next
	if was == nil || was.ByHand != next.ByHand {
		return nowHeld
	}
	return unchanged
}
