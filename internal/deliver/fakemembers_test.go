package deliver

import (
	"context"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// member is one process that has a fakeStore open beside others: it has the holds of
// its own dispatchers, and an operator's is everybody's.
type member struct {
	*fakeStore
	n int
	// live is how many members serve each route.
	live *int
}

var _ spool.Shared = member{}

// membersOf returns so many members of a store.
func membersOf(s *fakeStore, n int) (ms []member) {
	for i := range n {
		ms = append(ms, member{s, i + 1, &n})
	}
	return ms
}

func (m member) setLive(n int) { m.mu.Lock(); *m.live = n; m.mu.Unlock() }

func (m member) Live(spool.RouteKey) int { m.mu.Lock(); defer m.mu.Unlock(); return *m.live }

func (m member) Members(context.Context) ([]spool.Member, error) { return nil, nil }

// heldHere returns the hold of the member's process.
func (m member) heldHere(k spool.RouteKey) *spool.Hold {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.here(k)
}

func (m member) here(k spool.RouteKey) *spool.Hold {
	if q := m.queue(k); q.hold == nil {
		return q.byMember[m.n]
	}
	return m.queue(k).hold
}

// Routes implements spool.Log: Hold is that of all members, as the contract says.
func (m member) Routes(ctx context.Context) ([]spool.RouteState, error) {
	states, err := m.fakeStore.Routes(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range states {
		st := &states[i]
		q := m.queue(st.Key)
		st.HeldHere, st.Served = m.here(st.Key), *m.live
		if q.hold == nil && len(q.byMember) == *m.live {
			st.Hold = st.HeldHere
		}
	}
	return states, err
}

func (m member) change(o spool.Owner, k spool.RouteKey, h *spool.Hold) error {
	if o == "" || h != nil && h.ByHand {
		m.mu.Lock()
		m.queue(k).byMember = nil
		m.mu.Unlock()
		return m.setHold(o, k, h)
	}
	unlock, err := m.enter()
	if err != nil {
		return err
	}
	if !o.MayChange(m.here(k), h) {
		unlock()
		return spool.ErrHoldChanged
	}
	q := m.queue(k)
	if q.byMember == nil {
		q.byMember = map[int]*spool.Hold{}
	}
	q.byMember[m.n] = h
	if h == nil {
		delete(q.byMember, m.n)
	}
	q.holds++
	unlock()
	m.report(k)
	return nil
}

func (m member) Hold(_ context.Context, o spool.Owner, k spool.RouteKey, h spool.Hold) error {
	return m.change(o, k, &h)
}

func (m member) Resume(_ context.Context, o spool.Owner, k spool.RouteKey) error {
	return m.change(o, k, nil)
}

// failAll, failSettles, hang and work make the store be away, in three ways, and back.
func (s *fakeStore) failAll() { s.setFail(errDisk) }

func (s *fakeStore) failSettles() { s.mu.Lock(); s.failSettle = errDisk; s.mu.Unlock() }

// hang lets the lease run out too, as for a machine that the database does not reach.
func (s *fakeStore) hang() { s.hangSettles.Store(true); s.failAll() }

func (s *fakeStore) work() {
	s.hangSettles.Store(false)
	s.mu.Lock()
	s.failSettle, s.fail = nil, nil
	s.mu.Unlock()
}

func (s *fakeStore) calls() int { s.mu.Lock(); defer s.mu.Unlock(); return s.entered }
