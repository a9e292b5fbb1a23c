package deliver

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	s := Schedule{10 * time.Second, 20 * time.Second}
	retry := func(after time.Duration, sg sign) outcome {
		return outcome{state: spool.Retrying, after: after, sign: sg}
	}
	freely := func(sg sign) outcome {
		return outcome{state: spool.Retrying, after: freeAgain, free: true, sign: sg}
	}
	asked := func(code int, after time.Duration) Answer {
		return Answer{Reach: Answered, Status: code, RetryAfter: after}
	}
	usedUp := outcome{state: spool.Dead, reason: ReasonUsedUp}
	for _, c := range []struct {
		name string
		a    Answer
		n    int
		free bool
		want outcome
	}{
		{"200", status(200), 1, false, outcome{state: spool.Delivered, sign: useful}},
		{"204", status(204), 3, false, outcome{state: spool.Delivered, sign: useful}},
		{"299 on a held route", status(299), 1, true, outcome{state: spool.Delivered, sign: useful}},
		{"200 without reach", Answer{Reach: Broken, Status: 200}, 1, false, retry(10*time.Second, useless)},
		{"410", status(410), 1, false, outcome{state: spool.Dead, reason: ReasonGone, sign: useful}},
		{"no status", status(0), 1, false, retry(10*time.Second, useful)},
		{"101", status(101), 1, false, retry(10*time.Second, useful)},
		{"301", status(301), 2, false, retry(20*time.Second, useful)},
		{"400", status(400), 1, false, retry(10*time.Second, useful)},
		{"400 on a held route", status(400), 1, true, retry(10*time.Second, useful)},
		{"500", status(500), 1, false, retry(10*time.Second, useful)},
		{"500, the last", status(500), 3, false, outcome{state: spool.Dead, reason: ReasonUsedUp, sign: useful}},
		{"500, beyond a shortened schedule", status(500), 9, false, outcome{state: spool.Dead, reason: ReasonUsedUp, sign: useful}},
		{"502", status(502), 1, false, retry(10*time.Second, useless)},
		{"503", status(503), 1, false, retry(10*time.Second, useless)},
		{"504", status(504), 1, false, retry(10*time.Second, useless)},
		{"504 on a held route", status(504), 1, true, freely(useless)},
		{"504 on a held route, the last", status(504), 3, true, freely(useless)},
		{"504, the last", status(504), 3, false, outcome{state: spool.Dead, reason: usedUp.reason, sign: useless}},
		{"broken", Answer{Reach: Broken}, 1, false, retry(10*time.Second, useless)},
		{"broken on a held route", Answer{Reach: Broken}, 1, true, freely(useless)},
		{"unreached", Answer{Reach: Unreached}, 1, false, freely(unreached)},
		{"unreached, the last", Answer{Reach: Unreached}, 3, false, freely(unreached)},
		{"aborted", Answer{Reach: Aborted, Status: 502}, 3, false, outcome{free: true}},
		{"429 asks for more", asked(429, time.Minute), 1, false, retry(time.Minute, useful)},
		{"503 asks for more", asked(503, time.Minute), 1, false, retry(time.Minute, useless)},
		{"429 asks for less", asked(429, time.Second), 1, false, retry(10*time.Second, useful)},
		{"429 asks for too much", asked(429, 9*time.Hour), 1, false, retry(time.Hour, useful)},
		{"429 asks for the past", asked(429, -time.Hour), 1, false, retry(10*time.Second, useful)},
		{"500 may not ask", asked(500, time.Minute), 1, false, retry(10*time.Second, useful)},
	} {
		got := judge(c.a, c.n, s, c.free, 0)
		if (got.err == "") != (got.state == spool.Delivered || c.a.Reach == Aborted) {
			t.Errorf("%s: words %q", c.name, got.err)
		}
		if got.err = ""; got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestWordsAreBounded(t *testing.T) {
	t.Parallel()
	if n := len(words(Answer{Reach: Broken, Err: errors.New(strings.Repeat("x", 9999))})); n != maxError {
		t.Errorf("%d bytes of error are kept", n)
	}
}
