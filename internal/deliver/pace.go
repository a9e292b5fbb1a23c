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

	// minInHand is how many deliveries may be in hand at the least: a lease that
	// asks for two and gets one shows that there is no other.
	minInHand = 2
	// credit is how late an attempt may begin and the next still be on time:
	// timers are no better, and a fast route would lose a part of its pace.
	credit = 20 * time.Millisecond
	// aloneFor is how long no other delivery must have been tried for one to be
	// alone in sight.
	aloneFor = time.Minute
)

// pace is how fast a route may go: by its configuration, and by what its app
// has said. It knows no lock and no timer: routeSlots guards it and waits.
type pace struct {
	hand *rate.Limiter // of the configuration, nil for none

	limit   float64       // attempts a second, 0 unless the route is slowed
	window  float64       // attempts in flight, where limit is not 0
	start   float64       // limit after the last pause
	ceiling float64       // just below what was too much
	guess   bool          // ceiling is a guess: what came before was not even
	grown   time.Duration // in which attempts succeeded since the last pause
	since   time.Time     // when the route was slowed
	reason  string        // what the app said last
	next    time.Time     // no attempt begins before
	until   time.Time     // of the pause
	dry     int           // pauses in a row that no success followed
	epoch   uint64        // rises with each pause

	second    time.Time // the present second of counting, and the attempts
	cur, prev int       // that began in it and in the one before
	last      int64     // the delivery that was tried last
	lastAt    time.Time
	otherAt   time.Time // when another than last was tried
	passedAt  time.Time

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

// paused says until when nothing may begin, if that is not over at now.
func (p *pace) paused(now time.Time) (until time.Time, yes bool) {
	return p.until, now.Before(p.until)
}

// ready returns when the next attempt may begin, at the latest now if at once.
// full says that one in flight must end first.
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

func latest(a time.Time, more ...time.Time) time.Time {
	for _, b := range more {
		if b.After(a) {
			a = b
		}
	}
	return a
}

// begin counts an attempt and returns the epoch that it belongs to.
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
		space := p.space()
		p.next = latest(p.next.Add(space), now.Add(space-max(0, credit-space)))
	}
	return p.epoch
}

func (p *pace) space() time.Duration {
	return time.Duration(float64(time.Second) / p.limit)
}

// ended follows the end of an attempt. After a quick one the space counts from
// its end: so two that are apart here are apart at the app as well, however
// late the first one came there.
func (p *pace) ended(start, end time.Time) {
	if p.limit <= 0 {
		return
	}
	if space := p.space(); space >= credit && end.Sub(start) <= space/4 {
		p.next = latest(p.next, end.Add(space))
	}
}

// measured is the pace of the last second.
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

// passed follows a success.
func (p *pace) passed(now time.Time, delivery int64, most int) (released bool) {
	p.refusals.passed(delivery)
	p.dry = 0
	before := latest(p.passedAt, p.until)
	p.passedAt = now
	if p.limit <= 0 {
		return false
	}
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
	p.window = min(p.window+1/max(p.window, 1), float64(most))
	return false
}

// risen is the pace after grown.
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

// bounds says that the route may not go as fast as it can.
func (p *pace) bounds() bool { return p.limit > 0 || p.hand != nil }

// slow follows an answer that says slower to an attempt of that epoch: all that
// were under way together are one decrease. known says that the same delivery
// was refused again and again, which proves less than a fresh one.
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
	p.guess = began
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

// ahead is how many deliveries a route may have in hand, most if its pace is
// not bounded: what comes in a second, so that few leases wait.
func (p *pace) ahead(most int) int {
	if p.limit > 0 {
		most = min(most, max(minInHand, int(p.limit)))
	}
	if p.hand != nil {
		most = min(most, max(minInHand, p.hand.Burst()+int(p.hand.Limit())))
	}
	return most
}

// rests says that the pace is that of a route of which nothing is known.
func (p *pace) rests(now time.Time) bool {
	if p.hand != nil && p.hand.TokensAt(now) < float64(p.hand.Burst()) {
		return false
	}
	return p.limit <= 0 && len(p.refusals.of) == 0 || now.Sub(p.lastAt) > maxPause && !now.Before(p.until)
}
