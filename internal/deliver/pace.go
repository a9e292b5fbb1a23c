package deliver

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

const (
	// minPace is the slowest pace, in attempts a second. An app that takes less
	// is met by longer pauses.
	minPace = 1.0
	// firstPause follows an answer that says slower and not for how long. It
	// doubles up to maxOwnPause for as long as nothing passes between two.
	firstPause    = time.Second
	maxOwnPause   = 15 * time.Second
	maxKnownPause = firstPause
	// othersFirst is how many others have their turn before one that was refused.
	othersFirst = 4
	// maxPause bounds a Retry-After that pauses a route.
	maxPause = 5 * time.Minute

	// After a pause the pace rises from half to just below what was too much
	// within recovery, stays about there, and is forgotten after forgetAfter. Both
	// count only time in which attempts succeed, at most passGap for each.
	recovery    = 2 * time.Second
	plateau     = 40 * time.Second
	forgetAfter = recovery + 4*plateau
	passGap     = time.Second
	// belowRefused is the share of the refused pace to which it rises.
	belowRefused = 0.95

	// minTaken is how many deliveries a worker may have taken at the least: a lease that
	// asks for two and gets one shows that there is no other.
	minTaken = 2
	// credit is how late an attempt may begin and the next still be on time:
	// timers are no better, and a fast route would lose a part of its pace.
	credit = 20 * time.Millisecond
	// aloneFor is how long no other delivery must have been tried for one to be
	// alone in sight.
	aloneFor = time.Minute
)

// pace is how fast a route may go: by its configuration, and by what its app has
// said. It is pure: it knows no lock and no timer; routeSlots guards it and waits.
//
// What an app takes is not known beforehand and may change, so the pace looks for it
// as TCP looks for a path's: halve when the app says slower, then rise. A straight
// rise would meet the limit every few seconds, and each meeting costs refusals and a
// pause. So it rises fast to just below what was refused, stays about there for
// most of the time, and leaves it ever faster after (risen): a limit that is still
// there is met seldom, and one that was lifted is forgotten in minutes.
type pace struct {
	// hand is the bound of the configuration, nil for none.
	hand *rate.Limiter

	// limit is the pace in attempts a second, 0 unless the app has slowed the route.
	// The fields up to epoch say something only while it is not 0.
	limit float64
	// window bounds the attempts in flight. It is no whole number, because each
	// success adds a part of one.
	window float64
	// start is what limit was after the last pause, and ceiling what it rises to:
	// just below what was too much, in attempts a second.
	start, ceiling float64
	// guess means that ceiling is a guess, because what was refused first came in
	// bursts: the pace doubles until it is refused at an even one.
	guess bool
	// grown is the time in which attempts succeeded since the last pause.
	grown time.Duration
	// since is when the route was slowed, and reason what the app said last.
	since  time.Time
	reason string
	// next is when the next attempt may begin, by the space between attempts.
	next time.Time
	// until is the end of the pause.
	until time.Time
	// dry counts the pauses in a row that no success followed.
	dry int
	// epoch rises with each pause. Attempts carry the one in which they began, so
	// that all answers to what was under way at once are one decrease.
	epoch uint64

	// second is when the present second of counting began; cur and prev count the
	// attempts that began in it and in the one before.
	second    time.Time
	cur, prev int
	// last is the delivery that was tried last, at lastAt; otherAt is when another
	// than that was.
	last    int64
	lastAt  time.Time
	otherAt time.Time
	// passedAt is when an attempt last succeeded.
	passedAt time.Time

	refusals refusals
}

// bound sets what the configuration says, 0 for no bound.
func (p *pace) bound(perSecond float64, burst int) {
	switch {
	case perSecond <= 0:
		p.hand = nil
	case p.hand == nil:
		p.hand = rate.NewLimiter(rate.Limit(perSecond), burstOf(perSecond, burst))
	default:
		// What was used up stays so: a reload must not let a burst through.
		p.hand.SetLimit(rate.Limit(perSecond))
		p.hand.SetBurst(burstOf(perSecond, burst))
	}
}

// burstOf is how many attempts may begin at once. Without a number it is what
// comes in credit, so that timers do not make a fast route slower.
func burstOf(perSecond float64, burst int) int {
	if burst > 0 {
		return burst
	}
	return max(1, int(math.Ceil(perSecond*credit.Seconds())))
}

// paused returns until when nothing may begin, and reports whether that is to come.
func (p *pace) paused(now time.Time) (until time.Time, yes bool) {
	return p.until, now.Before(p.until)
}

// ready returns when the next attempt may begin: now if at once. full reports whether
// one in flight must end first.
func (p *pace) ready(now time.Time, running int) (at time.Time, full bool) {
	at = now
	if p.limit > 0 {
		if float64(running) >= max(1, p.window) {
			return at, true
		}
		at = latest(at, p.until, p.next)
	}
	if p.hand != nil {
		if short := 1 - p.hand.TokensAt(now); short > 0 {
			wait := time.Duration(short / float64(p.hand.Limit()) * float64(time.Second))
			at = latest(at, now.Add(wait+time.Microsecond)) // Rounding must not wake it early.
		}
	}
	return at, false
}

// latest returns the latest of all times.
func latest(a time.Time, more ...time.Time) time.Time {
	for _, b := range more {
		if b.After(a) {
			a = b
		}
	}
	return a
}

// begin counts an attempt of delivery that begins at now and returns the epoch that it
// belongs to.
func (p *pace) begin(now time.Time, delivery int64) uint64 {
	switch age := now.Sub(p.second); {
	case age >= 2*time.Second:
		p.second, p.cur, p.prev = now, 0, 0
	case age >= time.Second:
		p.second, p.cur, p.prev = p.second.Add(time.Second), 0, p.cur
	}
	p.cur++
	if delivery != p.last {
		p.last, p.otherAt = delivery, p.lastAt
	}
	p.lastAt = now
	if p.hand != nil {
		p.hand.AllowN(now, 1)
	}
	if p.limit > 0 {
		// From the time that was meant, not from now: else each timer that is late would
		// lower the pace for good. What is late by more than credit is not made up for.
		space := p.space()
		p.next = latest(p.next.Add(space), now.Add(space-max(0, credit-space)))
	}
	return p.epoch
}

// space returns the time from one attempt to the next. The route is slowed.
func (p *pace) space() time.Duration {
	return time.Duration(float64(time.Second) / p.limit)
}

// ended follows the end of an attempt. After a quick one the space counts from its
// end: so two that leave here apart come to the app apart as well, however late the
// first one came there. A limiter without a burst would refuse the second otherwise.
func (p *pace) ended(start, end time.Time) {
	if p.limit <= 0 {
		return
	}
	if space := p.space(); space >= credit && end.Sub(start) <= space/4 {
		p.next = latest(p.next, end.Add(space))
	}
}

// measured returns the pace of the last second, in attempts a second: the present
// second, and of the one before the part that is not yet a second ago.
func (p *pace) measured(now time.Time) float64 {
	age := now.Sub(p.second).Seconds()
	switch {
	case age >= 2:
		return 0
	case age >= 1:
		return float64(p.cur) * (2 - age)
	}
	return float64(p.cur) + float64(p.prev)*(1-age)
}

// passed follows a success of delivery at now. most is max_in_flight. It reports whether
// the slowing is over.
func (p *pace) passed(now time.Time, delivery int64, most int) (released bool) {
	p.refusals.passed(delivery)
	p.dry = 0
	before := latest(p.passedAt, p.until)
	p.passedAt = now
	if p.limit <= 0 {
		return false
	}
	// Only time with successes counts: a route that had nothing to send has learnt
	// nothing of its app.
	p.grown += min(max(now.Sub(before), 0), passGap)
	if p.grown >= forgetAfter {
		p.forget()
		return true
	}
	if p.guess {
		p.limit += 0.5 // So it doubles in a second and a half.
	} else {
		p.limit = p.risen()
	}
	// One more in flight for each windowful that succeeded.
	p.window = min(p.window+1/max(p.window, 1), float64(most))
	return false
}

// risen returns the pace after grown: straight up from start to ceiling within
// recovery, then by a cubic, which is flat where it begins. It adds half the ceiling
// in the first plateau and reaches five times the ceiling in the second.
func (p *pace) risen() float64 {
	if p.grown < recovery {
		return p.start + (p.ceiling-p.start)*p.grown.Seconds()/recovery.Seconds()
	}
	x := (p.grown - recovery).Seconds() / plateau.Seconds()
	return p.ceiling * (1 + x*x*x/2)
}

// forget ends the slowing.
func (p *pace) forget() {
	p.limit, p.window, p.dry = 0, 0, 0
	p.until, p.next, p.since, p.reason = time.Time{}, time.Time{}, time.Time{}, ""
}

// expire forgets what an app has said to a route that has been idle since.
func (p *pace) expire(now time.Time) {
	if p.limit > 0 && now.Sub(latest(p.lastAt, p.until)) > maxPause {
		p.forget()
	}
}

// bounds reports whether there is any bound.
func (p *pace) bounds() bool { return p.limit > 0 || p.hand != nil }

// slow follows an answer that says slower to an attempt of that epoch: all that were
// under way together are one decrease. running counts the other attempts in flight.
// wait is the app's Retry-After, 0 for none. known reports whether the same delivery
// was refused before, which proves less than a fresh one. It reports whether the
// route was not slowed before.
func (p *pace) slow(now time.Time, epoch uint64, running int, wait time.Duration, known bool, reason string) (began bool) {
	p.reason = reason
	if epoch != p.epoch {
		if wait > 0 && p.limit > 0 {
			p.until = latest(p.until, now.Add(wait))
		}
		return false
	}
	was := p.limit
	began = was <= 0
	if began {
		was, p.window, p.since = p.measured(now), float64(running+1), now
	}
	p.guess = began // Nothing was spaced evenly yet.
	p.epoch++
	p.start = max(was/2, minPace)
	p.ceiling = max(was*belowRefused, p.start)
	p.limit, p.window, p.grown = p.start, max(1, p.window/2), 0
	if wait <= 0 {
		wait = min(firstPause<<min(p.dry, 5), maxOwnPause)
		if known {
			wait = min(wait, maxKnownPause)
		}
	}
	p.dry++
	p.until = now.Add(wait)
	p.next = p.until
	return began
}

// ahead returns how many deliveries a worker may have taken, most if the pace is not
// bounded: what begins in a second, so that few leases wait.
func (p *pace) ahead(most int) int {
	if p.limit > 0 {
		most = min(most, max(minTaken, int(p.limit)))
	}
	if p.hand != nil {
		most = min(most, max(minTaken, p.hand.Burst()+int(p.hand.Limit())))
	}
	return most
}

// rests reports whether the pace can be forgotten: a new one would be the same.
func (p *pace) rests(now time.Time) bool {
	if p.hand != nil && p.hand.TokensAt(now) < float64(p.hand.Burst()) {
		return false
	}
	return p.limit <= 0 && len(p.refusals.of) == 0 || now.Sub(p.lastAt) > maxPause && !now.Before(p.until)
}
