package spooltest

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// turns watches the deliveries of one route's keys, as the app sees them.
type turns struct {
	testing.TB
	mu sync.Mutex
	// now is the event of each key that runs, and last how far each writer's events of a
	// key have come: a writer accepts the next only after the one before.
	now  map[string]string
	last map[string]int
	// ended counts the deliveries that have ended.
	ended int
}

// turnOf tells of which key and writer an event is, and its number among those.
func turnOf(d spool.Delivery) (key, writer string, n int) {
	if _, err := fmt.Sscanf(d.Event.ID, "%s %s %d", &key, &writer, &n); err != nil {
		panic(err)
	}
	return key, writer, n
}

func (s *turns) begin(d spool.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, writer, n := turnOf(d)
	if other, ok := s.now[key]; ok {
		s.Errorf("event %q is handed out while %q of its key runs", d.Event.ID, other)
	}
	s.now[key] = d.Event.ID
	if last := s.last[key+writer]; n != last+1 {
		s.Errorf("event %q is handed out after number %d of its writer has ended", d.Event.ID, last)
	}
}

// end notes that a delivery is about to end, or to be given back.
func (s *turns) end(d spool.Delivery, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, writer, n := turnOf(d)
	delete(s.now, key)
	if ended {
		s.last[key+writer] = n
		s.ended++
	}
}

// run runs a delivery: now and then it is given back, or fails once.
func (s *turns) run(r *rig, d spool.Delivery, how int) {
	s.begin(d)
	for range 20 { // Others have their turn meanwhile.
		runtime.Gosched()
	}
	s.end(d, how%4 != 0 && how%4 != 1)
	var err error
	switch how % 4 {
	case 0:
		err = r.st.Release(bg, []spool.Lease{d.Lease})
	case 1:
		err = r.st.Settle(bg, r.failed(d, 0))
	case 2:
		err = r.st.Settle(bg, r.deadLetter(d, "refused"))
	default:
		err = r.st.Settle(bg, r.ended(d))
	}
	if err != nil {
		s.Errorf("ending a delivery: %v", err)
	}
}

// keysAtOnce has two owners accept and run events of a few keys at the same time.
func keysAtOnce(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	runKeysAtOnce(t, r, r)
}

// keysOfPeers does so in two processes.
func keysOfPeers(t testing.TB, mk Make) {
	r, p := newPair(t, mk, spool.Settings{})
	runKeysAtOnce(t, r, p)
}

func runKeysAtOnce(t testing.TB, stores ...*rig) {
	const writers, keys, events = 4, 3, 8
	s := &turns{TB: t, now: map[string]string{}, last: map[string]int{}}
	var accepting, dispatching sync.WaitGroup
	var how atomic.Int64
	for w := range writers {
		accepting.Go(func() {
			in := stores[w%len(stores)]
			for i := range events * keys {
				key := fmt.Sprint("key", i%keys)
				ev := in.event(fmt.Sprint(key, " writer", w, " ", i/keys+1))
				got, err := in.st.Accept(bg, keyed(starting(intake(ev, "a"), spool.Owner(fmt.Sprint("owner ", w))), key))
				if err != nil || got.Verdict != spool.Accepted {
					t.Errorf("Accept: %v, %v", got.Verdict, err)
					return
				}
				for _, d := range got.Running {
					s.run(in, d, int(how.Add(1)))
				}
			}
		})
	}
	for o := range 2 {
		dispatching.Go(func() {
			s.dispatch(stores[o%len(stores)], spool.Owner(fmt.Sprint("runner ", o)), &how, writers*keys*events)
		})
	}
	accepting.Wait()
	dispatching.Wait()
	if st := stores[0].route("a"); !t.Failed() && (st.Waiting != 0 || st.Running != 0) {
		t.Errorf("route is %+v, want nothing that waits or runs", st)
	}
}

// dispatch leases and runs deliveries until so many have ended.
func (s *turns) dispatch(r *rig, o spool.Owner, how *atomic.Int64, want int) {
	limit := time.Now().Add(soonWithin)
	for !s.Failed() {
		b, err := r.st.Lease(bg, spool.Pick{Owner: o, Route: key("a"), N: 4, LeaseFor: leaseFor})
		if err != nil {
			s.Errorf("Lease: %v", err)
			return
		}
		for _, d := range b.Deliveries {
			s.run(r, d, int(how.Add(1)))
			limit = time.Now().Add(soonWithin)
		}
		s.mu.Lock()
		ended := s.ended
		s.mu.Unlock()
		if ended == want {
			return
		}
		if time.Now().After(limit) {
			s.Errorf("%d deliveries have ended, want %d: a key is stuck", ended, want)
			return
		}
		runtime.Gosched()
	}
}
