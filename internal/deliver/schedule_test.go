package deliver

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func TestPlatformAddsUp(t *testing.T) {
	t.Parallel()
	total := time.Duration(0)
	for i, d := range Platform {
		if total += d; total != table[i+1] {
			t.Errorf("attempt %d after %v, want %v", i+2, total, table[i+1])
		}
	}
}

func TestScheduleValidate(t *testing.T) {
	t.Parallel()
	seconds := func(n int) Schedule {
		s := make(Schedule, n)
		for i := range s {
			s[i] = time.Second
		}
		return s
	}
	for _, c := range []struct {
		name string
		s    Schedule
		ok   bool
	}{
		{"nil means Platform", nil, true},
		{"platform", Platform, true},
		{"empty", Schedule{}, false},
		{"one", seconds(1), true},
		{"most", seconds(spool.MaxAttempts - 1), true},
		{"too many", seconds(spool.MaxAttempts), false},
		{"zero", Schedule{time.Second, 0}, false},
		{"negative", Schedule{-time.Second}, false},
	} {
		if err := c.s.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	s := Schedule{10 * time.Second, 2 * time.Hour}
	for _, c := range []struct {
		n      int
		random float64
		want   time.Duration
		ok     bool
	}{
		{0, 0, 0, false},
		{1, 0, 10 * time.Second, true},
		{1, 0.5, 10500 * time.Millisecond, true},
		{2, 0.5, 2*time.Hour + MaxJitter/2, true},
		{3, 0.5, 0, false},
	} {
		if got, ok := s.delay(c.n, c.random); got != c.want || ok != c.ok {
			t.Errorf("delay(%d, %v) = %v, %v, want %v, %v", c.n, c.random, got, ok, c.want, c.ok)
		}
	}
}
