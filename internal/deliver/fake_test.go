package deliver

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// fakeStore keeps the parts of the contract that a dispatcher sees, in memory.
// It finds violations itself: an attempt is legal only under a good lease.
//
// memstore, which keeps the whole contract, stands in where that matters
// (memstore_test.go). It cannot serve everywhere: each of its calls looks at each of
// its rows, so that a backlog of 100,000 would take it minutes, and it cannot be
// slow, fail at will, or be looked into.
type fakeStore struct {
	spool.Store // what a dispatcher never calls

	latency time.Duration // of each call, only in a synctest bubble

	mu    sync.Mutex
	ahead time.Duration // of the machine's clock
	fail  error         // what every call answers
	// failSettle is what Settle answers, and hangSettles whether it does before its
	// context ends.
	failSettle  error
	hangSettles atomic.Bool

	failed   int
	entered  int // calls of all kinds
	rows     map[int64]*row
	queues   map[spool.RouteKey]*fakeQueue
	fence    int64
	watchers map[int]func(spool.RouteKey)
	nWatch   int
	leaseMax int // most deliveries leased at once
	leased   int
	extended int
	released int
}

type fakeQueue struct {
	rows  []*row
	first int // all before it are finished
	// byMember are the holds that dispatchers of members have found.
	byMember map[int]*spool.Hold
	hold     *spool.Hold
	holds    int // how often a hold was written
}

type row struct {
	number   int64
	key      spool.RouteKey
	event    *spool.Event
	state    spool.State
	came     time.Time // when it was accepted: it is never due before
	due      time.Time
	until    time.Time
	fence    int64
	attempts int
	reason   string
	ended    time.Time
	log      []spool.Attempt
}

func newFake() *fakeStore {
	return &fakeStore{
		rows: map[int64]*row{}, queues: map[spool.RouteKey]*fakeQueue{}, watchers: map[int]func(spool.RouteKey){},
	}
}

// deaf is a store whose reports are lost: the dispatcher must look by itself.
type deaf struct{ *fakeStore }

func (deaf) Watch(func(spool.RouteKey)) (stop func()) { return func() {} }

func (s *fakeStore) enter() (unlock func(), err error) {
	s.mu.Lock()
	latency := s.latency
	s.mu.Unlock()
	if latency > 0 {
		time.Sleep(latency)
	}
	s.mu.Lock()
	s.entered++
	if s.fail != nil {
		s.failed++
		defer s.mu.Unlock()
		return nil, s.fail
	}
	return s.mu.Unlock, nil
}

func (s *fakeStore) now() time.Time { return time.Now().Add(s.ahead).Round(0) }

func (s *fakeStore) queue(k spool.RouteKey) *fakeQueue {
	if s.queues[k] == nil {
		s.queues[k] = &fakeQueue{}
	}
	return s.queues[k]
}

// unfinished calls f with the unfinished rows, oldest first, until it says no.
func (q *fakeQueue) unfinished(f func(*row) bool) {
	for q.first < len(q.rows) && q.rows[q.first].finished() {
		q.first++
	}
	for _, r := range q.rows[q.first:] {
		if !r.finished() && !f(r) {
			return
		}
	}
}

func (r *row) finished() bool { return r.state == spool.Delivered || r.state == spool.Dead }

func (r *row) dueAt() time.Time {
	if r.state == spool.Running {
		return r.until
	}
	return r.due
}

func (r *row) waiting(now time.Time) bool {
	return !r.finished() && (r.state != spool.Running || !r.until.After(now))
}

func (s *fakeStore) report(k spool.RouteKey) {
	s.mu.Lock()
	fs := make([]func(spool.RouteKey), 0, len(s.watchers))
	for _, f := range s.watchers {
		fs = append(fs, f)
	}
	s.mu.Unlock()
	for _, f := range fs {
		f(k)
	}
}

func (s *fakeStore) Watch(f func(spool.RouteKey)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nWatch++
	n := s.nWatch
	s.watchers[n] = f
	return func() { s.mu.Lock(); delete(s.watchers, n); s.mu.Unlock() }
}

func (s *fakeStore) start(r *row, by time.Duration) spool.Delivery {
	if r.state == spool.Running { // its lease ran out
		r.attempts++
	} else {
		s.leased++
		s.leaseMax = max(s.leaseMax, s.leased)
	}
	s.fence++
	r.state, r.fence, r.until = spool.Running, s.fence, s.now().Add(by)
	return spool.Delivery{
		Lease: spool.Lease{Delivery: r.number, Fence: r.fence, Until: r.until},
		Route: r.key, Event: r.event, Attempts: r.attempts,
	}
}

var errDisk = errors.Join(spool.ErrUnavailable, errors.New("disk failed"))

// setFail makes every call fail with err, nil ends that.
func (s *fakeStore) setFail(err error) { s.mu.Lock(); s.fail = err; s.mu.Unlock() }

func (s *fakeStore) setLatency(d time.Duration) { s.mu.Lock(); s.latency = d; s.mu.Unlock() }

func (s *fakeStore) row(n int64) row { s.mu.Lock(); defer s.mu.Unlock(); return *s.rows[n] }

func (s *fakeStore) held(k spool.RouteKey) *spool.Hold {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue(k).hold
}

func (s *fakeStore) holds(k spool.RouteKey) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue(k).holds
}

// inState counts rows.
func (s *fakeStore) inState(st spool.State) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if r.state == st {
			n++
		}
	}
	return n
}
