package deliver

import (
	"errors"
	"fmt"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Jitter is added to a delay, never subtracted, so that no attempt comes
// earlier than its schedule says: up to a tenth, at most MaxJitter.
const MaxJitter = 30 * time.Second

// Schedule holds the delays after the first, second and further failed
// attempts. A delivery has len+1 attempts.
type Schedule []time.Duration

// Platform is the schedule that the Inbox platform itself keeps.
var Platform = Schedule{
	// running total        // attempt 1: 0 s
	30 * time.Second, //       attempt 2: 30 s
	2 * time.Minute,  //       attempt 3: 2 m 30 s
	8 * time.Minute,  //       attempt 4: 10 m 30 s
	32 * time.Minute, //       attempt 5: 42 m 30 s
	2 * time.Hour,    //       attempt 6: 2 h 42 m 30 s
}

// Validate returns the first mistake. A nil schedule, which means Platform, has none.
func (s Schedule) Validate() error {
	if s == nil {
		return nil
	}
	if len(s) == 0 {
		return errors.New("a schedule needs at least one delay")
	}
	if len(s) > spool.MaxAttempts-1 {
		return fmt.Errorf("a schedule has at most %d delays, not %d", spool.MaxAttempts-1, len(s))
	}
	for i, d := range s {
		if d <= 0 {
			return fmt.Errorf("delay %d of the schedule is %v, not above zero", i+1, d)
		}
	}
	return nil
}

// delay returns how long to wait after the failed attempt n, counted from 1;
// ok is false when n was the last. random is in [0,1).
func (s Schedule) delay(n int, random float64) (d time.Duration, ok bool) {
	if n < 1 || n > len(s) {
		return 0, false
	}
	d = s[n-1]
	return d + time.Duration(random*float64(min(d/10, MaxJitter))), true
}
