package sqlite

import (
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// wallAt is t with its wall clock set by whole seconds and its monotonic reading
// left alone, as the kernel does it and no function of package time.
func wallAt(t time.Time, by time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(int64(by/time.Second)) << 30
	return t
}

// A clock that is set ahead takes no lease from those at work: their attempts
// would be made twice.
func TestClockAheadTakesNoLease(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	s := mustOpen(t, t.TempDir(), Options{Now: func() time.Time { return wallAt(time.Now(), time.Duration(ahead.Load())) }})
	held := accept(t, s, benchEvent(1), "r", true).Running[0]
	pick := spool.Pick{Owner: "other", Route: held.Route, N: 10, LeaseFor: time.Minute}
	for _, at := range []time.Duration{24 * time.Hour, 0, 72 * time.Hour} {
		ahead.Store(int64(at))
		e := benchEvent(2 + int64(at/time.Hour))
		e.CreatedAt = time.Time{} // Else it would be stale.
		accept(t, s, e, "elsewhere", false)
		b, err := s.Lease(bg, pick)
		if err != nil || len(b.Deliveries) != 0 {
			t.Fatalf("clock at %v: %d leased, %v", at, len(b.Deliveries), err)
		}
	}
	if d := s.clock.Read().Jumped; d < 71*time.Hour || d > 73*time.Hour {
		t.Errorf("the clock has jumped by %v", d)
	}
	if err := s.Settle(bg, spool.Settlement{Lease: held.Lease, State: spool.Delivered, Attempt: spool.Attempt{N: 1, Status: 200}}); err != nil {
		t.Errorf("settling after the jumps: %v", err)
	}
}
