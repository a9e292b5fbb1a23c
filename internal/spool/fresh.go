package spool

import "time"

// Reasons of the verdict Stale, in public words.
const (
	ReasonFuture = "created too far in the future"
	ReasonOld    = "created before the window"
	ReasonBelow  = "created before ids that were forgotten"
)

// evidentlyBehind is how far the machine's clock is behind the store's time
// where it cannot be a correction of a clock that is kept right.
const evidentlyBehind = time.Hour

// Freshness is what an engine judges an event by whose id it does not know.
//
// The watermark alone keeps what was forgotten from being taken as new, and no
// clock has a part in it. The age is judged besides, for what this store has
// never seen. There a clock that is ahead would find everything old, so the
// platform's own signed times have a say: what is new beside the newest event
// that the source has accepted is not old.
type Freshness struct {
	// Clock is the time of the accept.
	Clock Reading
	// Window is Settings.Window.
	Window time.Duration
	// Newest is the newest created_at that the source has accepted, zero where
	// it has none yet.
	Newest time.Time
	// Forgotten is the source's watermark: the newest created_at among the ids
	// that were forgotten, zero for none.
	Forgotten time.Time
}

// Stale returns why an event is not fresh, empty if it is. It fails with ErrClock where
// that cannot be judged. Without created an event is fresh.
func (f Freshness) Stale(created time.Time) (reason string, err error) {
	switch {
	case created.IsZero():
		return "", nil
	case !f.Forgotten.IsZero() && !created.After(f.Forgotten):
		return ReasonBelow, nil
	case created.After(f.Clock.Now.Add(MaxAhead)):
		return f.future()
	case created.Before(f.present().Add(-f.Window)):
		return ReasonOld, nil
	}
	return "", nil
}

// future judges what lies too far ahead of all that is known. A machine whose
// clock is evidently behind is the more likely to be wrong.
func (f Freshness) future() (reason string, err error) {
	switch {
	case f.Clock.Unset():
		return "", ErrClock
	case f.Clock.Now.Sub(f.Clock.Machine) > evidentlyBehind:
		return "", nil
	}
	return ReasonFuture, nil
}

// present returns the time from which an age is reckoned.
func (f Freshness) present() time.Time {
	switch {
	case f.Newest.IsZero():
		return f.Clock.Wall()
	case f.Newest.Before(f.Clock.Now):
		return f.Newest
	}
	return f.Clock.Now
}
