package deliver

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// maxRetryAfter bounds what an upstream may ask of one delivery.
	maxRetryAfter = time.Hour
	// freeAgain is how soon a free attempt is made again on a route that is
	// not held: with three in a row the route is held and the probes take over,
	// so that this never runs hot.
	freeAgain = time.Second
	// maxError bounds the words kept of what went wrong.
	maxError = 512
)

// Reasons of dead letters.
const (
	ReasonUsedUp = "attempts used up"
	ReasonGone   = "410 Gone"
)

// sign is what an attempt says about the route, beside what it says about the
// delivery.
type sign uint8

const (
	silent    sign = iota // says nothing: our own doing
	useful                // the upstream is at work, even if it refused this event
	unreached             // nothing was sent
	useless               // reached, but nobody at work there
)

// outcome is what becomes of a delivery after an attempt.
type outcome struct {
	// state is Delivered, Retrying or Dead; 0 means the lease is released.
	state spool.State
	// after is how long to wait for the next attempt, for Retrying.
	after time.Duration
	// reason is why it is Dead.
	reason string
	// free means that the attempt uses none of the schedule.
	free bool
	// sign is what the attempt says about the route.
	sign sign
	// err is what went wrong, in words for the delivery's log; empty after success.
	err string
}

// judge decides about the attempt that would be the nth counted one. free reports
// whether the route was already held when it began. random is in [0,1).
//
// The question behind each case is whose fault it is: the event's, which uses up its
// schedule, or the upstream's, which must not.
func judge(a Answer, n int, s Schedule, free bool, random float64) outcome {
	o := outcome{sign: signOf(a), err: words(a)}
	switch {
	case a.Reach == Aborted:
		return outcome{free: true}
	case a.Reach == Answered && a.Status/100 == 2:
		o.state, o.err = spool.Delivered, ""
		return o
	case a.Reach == Answered && a.Status == http.StatusGone:
		o.state, o.reason = spool.Dead, ReasonGone
		return o
	// Where nothing was sent, the event cannot be the cause. Where something was, it
	// can, as long as the route is not known to be out.
	case o.sign == unreached, o.sign == useless && free:
		o.state, o.free, o.after = spool.Retrying, true, freeAgain
		return o
	}
	delay, ok := s.delay(n, random)
	if !ok {
		o.state, o.reason = spool.Dead, ReasonUsedUp
		return o
	}
	o.state, o.after = spool.Retrying, max(delay, retryAfter(a, maxRetryAfter))
	return o
}

// signOf returns what an answer says about the route. A gateway's 502, 503 and 504 say
// that no app is behind it.
func signOf(a Answer) sign {
	switch a.Reach {
	case Aborted:
		return silent
	case Unreached:
		return unreached
	case Answered:
		switch a.Status {
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return useless
		}
		return useful
	}
	return useless
}

// retryAfter returns the answer's Retry-After where it counts, on 429 and 503, and most
// at the most; 0 for none.
func retryAfter(a Answer, most time.Duration) time.Duration {
	if a.Reach != Answered || (a.Status != http.StatusTooManyRequests && a.Status != http.StatusServiceUnavailable) {
		return 0
	}
	return min(max(a.RetryAfter, 0), most)
}

// words returns what went wrong, for the delivery's log, as valid UTF-8 of at
// most maxError bytes.
func words(a Answer) string {
	var text string
	switch {
	case a.Err != nil:
		text = a.Err.Error()
	case a.Reach == Unreached:
		text = "upstream not reached"
	case a.Reach != Answered:
		text = "answer cut off"
	case a.Status == 0:
		text = "no status was written"
	case a.Status/100 == 3:
		text = fmt.Sprintf("status %d: redirects are not followed", a.Status)
	default:
		text = fmt.Sprintf("status %d", a.Status)
	}
	return strings.ToValidUTF8(text[:min(len(text), maxError)], "")
}
