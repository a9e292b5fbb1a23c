package deliver

import (
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// unreachedToHold and uselessToHold are how many in a row hold a route. An answer
	// that never came may be the event's fault, so it takes more of those than of
	// addresses that were not reached, which no event can cause.
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

// holding is the machine that holds and resumes a route. It is pure: it knows no store
// and no lock; holdSync is the worker's state around it.
//
// A held route costs its upstream one attempt a pause instead of one a delivery, and
// its deliveries none of their schedule. What holds is evidence about the upstream,
// so any sign of life resumes: a 400 is the app at work.
type holding struct {
	// current is nil unless the route is held. What it points to never changes: a
	// change replaces it, so that it may be handed on without the lock.
	current *spool.Hold
	// probing means that one probe is leased, or being leased, and its result has not
	// come.
	probing bool
	// turn is the delivery that was probed with last; the next one is behind it.
	turn int64

	// unreached and useless count such answers since the last that was neither.
	unreached, useless int

	// A hold that rests on one delivery alone proves nothing about the
	// upstream: the delivery may be poison. So while every bad result since the
	// last good one came from the suspect, its schedule goes on: what it does
	// from suspectDue on counts, held or not, and it ends as a dead letter.
	suspect    int64 // 0 for none
	suspectDue time.Time
	// several means that another delivery had a bad result too, or that an address
	// was not reached, which is no delivery's fault.
	several bool
}

// result is what holding needs to know of one attempt.
type result struct {
	sign     sign
	delivery int64
	// probe reports whether it was the probe of a held route.
	probe bool
	// wait is the answer's Retry-After, at most maxProbeWait, 0 for none.
	wait time.Duration
	// due is when the delivery's own schedule goes on.
	due time.Time
	// why is the reason of a hold that begins with it.
	why string
}

// note takes the result of an attempt that ended at now and returns what it changes.
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

// blame notes a useless answer as one delivery's, or as several's.
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

// spares reports whether an attempt of delivery, begun at start while the route was
// held, is free.
func (h *holding) spares(delivery int64, start time.Time) bool {
	alone := h.suspect == delivery && !h.several && !h.suspectDue.IsZero()
	return !alone || start.Before(h.suspectDue)
}

// adopt takes over what the store says about the route, where another dispatcher, an
// operator or an earlier run may have changed it. It returns what changes here.
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
	if was != nil && was.Since.Equal(next.Since) && was.Probes == next.Probes {
		next.NextProbe = was.NextProbe // It knows when that is even if the clock is set.
	} else {
		next.NextProbe = now.Add(next.NextProbe.Sub(now))
	}
	h.current = &next
	if was == nil || was.ByHand != next.ByHand {
		return nowHeld
	}
	return unchanged
}
