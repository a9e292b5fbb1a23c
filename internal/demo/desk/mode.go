package desk

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Mode is how an app behaves.
type Mode string

// The modes of an app. An app begins in Up.
const (
	Up    Mode = "up"
	Down  Mode = "down"
	Slow  Mode = "slow"
	Fails Mode = "500"
	Busy  Mode = "429"
	Gone  Mode = "410"
)

const (
	// slowness is how long a slow app takes for an answer.
	slowness = 3 * time.Second
	// retryAfter is what a busy app asks for, in seconds.
	retryAfter = 2
)

// Switch is one of the ways an app can be switched, in words.
type Switch struct {
	Mode Mode
	Key  byte // of a terminal
	// Legend shows the key in the shortest name that has it.
	Legend string
	// Label is what a button says.
	Label string
	// Does is what the app does from then on, as the end of "app ...".
	Does string
	// Follows is what there is to see then.
	Follows string
}

// Switches returns every way an app can be switched, in one order.
func Switches() []Switch {
	return []Switch{
		{Up, 'u', "[u]p", "Up", "answers 200", "What waits for it arrives with the next probe."},
		{Down, 'd', "[d]own", "Down", "is down: its port is closed", "As soon as something is sent, its route is held: events wait, and use up no attempt."},
		{Slow, 's', "[s]low", "Slow, " + seconds(slowness), "answers 200 after " + seconds(slowness), "The platform does not feel it: it has its 200 at once."},
		{Fails, '5', "[5]00", "Answer 500", "answers 500", "Each event is tried again, and is a dead letter after the last attempt."},
		{Busy, '4', "[4]29", "Answer 429", "answers 429 and asks for a pause of " + strconv.Itoa(retryAfter) + " s", "inboxgate takes it at its word and sends slower."},
		{Gone, 'g', "[g]one", "Answer 410", "answers 410", "Each event is a dead letter at once."},
	}
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'g', -1, 64) + " s" }

// switchTo returns the switch to a mode.
func switchTo(m Mode) (Switch, bool) {
	for _, s := range Switches() {
		if s.Mode == m {
			return s, true
		}
	}
	return Switch{}, false
}

// status returns what an app answers in this mode, 0 for one that is down.
func (m Mode) status() int {
	switch m {
	case Down:
		return 0
	case Fails:
		return http.StatusInternalServerError
	case Busy:
		return http.StatusTooManyRequests
	case Gone:
		return http.StatusGone
	}
	return http.StatusOK
}

// reply writes the answer of a status.
func reply(w http.ResponseWriter, status int) {
	switch status {
	case http.StatusUnauthorized:
		http.Error(w, "no valid signature", status)
	case http.StatusInternalServerError:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = strings.NewReader(`{"error":"database is down"}`).WriteTo(w)
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		http.Error(w, "slower, please", status)
	case http.StatusGone:
		http.Error(w, "this app wants no webhooks any more", status)
	default:
		_, _ = strings.NewReader("OK").WriteTo(w)
	}
}
