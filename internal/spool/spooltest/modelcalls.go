package spooltest

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// player lets the rig of a model fail the one play that it is in.
type player struct {
	testing.TB
	rt *rapid.T
}

func (p player) Helper()                   {}
func (p player) Cleanup(f func())          { p.rt.Cleanup(f) }
func (p player) Fail()                     { p.rt.Fail() }
func (p player) FailNow()                  { p.rt.FailNow() }
func (p player) Failed() bool              { return p.rt.Failed() }
func (p player) Log(a ...any)              { p.rt.Log(a...) }
func (p player) Logf(f string, a ...any)   { p.rt.Logf(f, a...) }
func (p player) Error(a ...any)            { p.rt.Error(a...) }
func (p player) Errorf(f string, a ...any) { p.rt.Errorf(f, a...) }
func (p player) Fatal(a ...any)            { p.rt.Fatal(a...) }
func (p player) Fatalf(f string, a ...any) { p.rt.Fatalf(f, a...) }
func (p player) Skip(a ...any)             { p.rt.Skip(a...) }
func (p player) Skipf(f string, a ...any)  { p.rt.Skipf(f, a...) }
func (p player) SkipNow()                  { p.rt.SkipNow() }

// leaseSome checks that as many are leased as may be, in their order, and nothing of
// a route that an operator holds.
func (m *model) leaseSome() {
	p := pickOf([]string{"a", "b"}[m.draw(2, "route")], 1+m.draw(3, "n"))
	p.IgnoreDue = m.draw(4, "ignore due") == 0
	var may []*life
	for _, l := range m.lives {
		if l.route == p.Route.Route && !m.held[l.route] && (m.isDue(l) || p.IgnoreDue && !l.ended() && !l.behind && !m.runs(l)) {
			may = append(may, l)
		}
	}
	want := min(p.N, len(may))
	if len(m.stores) == 0 {
		got := m.batch(p).Deliveries
		if len(got) != want {
			m.Fatalf("leased %d of %d deliveries, want %d", len(got), len(may), want)
		}
		m.leased(may, may, got, p.IgnoreDue)
		return
	}
	// What another process has made due is known soon, and may come behind until then.
	n := 0
	m.soon("leased", func() bool {
		got := m.batch(p).Deliveries
		m.leased(may, nil, got, p.IgnoreDue)
		n += len(got)
		p.N -= len(got)
		return n >= want
	}, func() any { return n }, want)
	if n > want {
		m.Fatalf("leased %d of %d deliveries, want %d", n, len(may), want)
	}
}

// leased takes over what was leased, which must be of what may be, and in order with
// those that are known.
func (m *model) leased(may, known []*life, got []spool.Delivery, ignoreDue bool) {
	var taken []*life
	for _, d := range got {
		l := m.find(d.Event.ID, d.Route.Route)
		if !slices.Contains(may, l) {
			m.Fatalf("leased event %s, which is %v until %v, due %v", l.id, l.state, l.lease.Until, l.due)
		}
		taken = append(taken, l)
	}
	m.inOrder(known, taken, ignoreDue)
	for i, d := range got {
		m.took(taken[i], d)
	}
}

// inOrder checks that nothing was passed over for what comes behind it.
func (m *model) inOrder(may, taken []*life, ignoreDue bool) {
	left := slices.DeleteFunc(slices.Clone(may), func(l *life) bool { return slices.Contains(taken, l) })
	for i, l := range taken {
		for _, behind := range slices.Concat(taken[i+1:], left) {
			by := cmp.Compare(behind.seq, l.seq)
			if !ignoreDue {
				by = behind.dueAt().Compare(l.dueAt())
				if l.fuzzy || behind.fuzzy {
					continue
				}
			}
			if by < 0 {
				m.Fatalf("event %s was leased before event %s", l.id, behind.id)
			}
		}
	}
}

func (m *model) settleOne() {
	l := m.one(m.runs)
	s := m.ended(spool.Delivery{Lease: l.lease, Attempts: l.attempts})
	switch m.draw(3, "outcome") {
	case 1:
		s = m.failed(spool.Delivery{Lease: l.lease, Attempts: l.attempts}, time.Duration(m.draw(3, "wait"))*leaseFor/2)
		s.Attempt.Free = m.draw(2, "free") == 1
	case 2:
		s = m.deadLetter(spool.Delivery{Lease: l.lease, Attempts: l.attempts}, "refused")
	}
	m.settle(s)
	m.old = append(m.old, l.lease)
	l.state, l.due, l.loose = s.State, s.Due, true
	if !s.Attempt.Free {
		l.attempts++
	}
	m.next(l)
}

func (m *model) settleLate() {
	if len(m.old) == 0 {
		m.rt.Skip("no lease has ended")
	}
	lease := m.old[m.draw(len(m.old), "lease")]
	err := m.st.Settle(bg, m.deadLetter(spool.Delivery{Lease: lease}, "late"))
	if !errors.Is(err, spool.ErrLeaseLost) {
		m.Fatalf("Settle of a lease that has ended: %v, want ErrLeaseLost", err)
	}
	lost, err := m.st.Extend(bg, []spool.Lease{lease}, leaseFor)
	m.ok(err, "Extend")
	m.wantLost(lost, lease)
	m.ok(m.st.Release(bg, []spool.Lease{lease}), "Release")
}

func (m *model) releaseOne() {
	l := m.one(m.runs)
	m.ok(m.st.Release(bg, []spool.Lease{l.lease}), "Release")
	m.old = append(m.old, l.lease)
	l.state, l.fuzzy, l.due, l.loose = spool.Available, true, m.now(), true
}

func (m *model) extendOne() {
	l := m.one(m.runs)
	lost, err := m.st.Extend(bg, []spool.Lease{l.lease}, leaseFor)
	m.ok(err, "Extend")
	m.wantLost(lost)
	l.lease.Until = m.now().Add(leaseFor)
}

func (m *model) holdOrResume() {
	route := []string{"a", "b"}[m.draw(2, "route")]
	if m.held[route] = !m.held[route]; m.held[route] {
		m.hold(route)
	} else {
		m.ok(m.st.Resume(bg, "", key(route)), "Resume")
	}
}

func (m *model) replay() {
	l := m.one((*life).ended)
	n, err := m.st.Redeliver(bg, l.seq, spool.RouteWish{Route: l.route})
	if err != nil || n != 1 {
		m.Fatalf("Redeliver: %d, %v, want 1", n, err)
	}
	*l = life{
		id: l.id, route: l.route, key: l.key, behind: m.taken(l.route, l.key), seq: l.seq,
		state: spool.Available, due: m.now(), replay: l.replay + 1,
	}
}

// restartPeer ends the second process in some way, and begins another.
func (m *model) restartPeer() {
	if m.draw(2, "ending") == 0 {
		m.ok(m.stores[1].Close(), "Close of the peer")
	}
	m.st = m.stores[0]
	m.heard() // Else the next one begins with a time that is over.
	m.killPeer()
	m.stores[1] = m.beside(m.settings).st
}

// restart ends the store in some way and opens it again, both where there are two.
func (m *model) restart() {
	e := endings[m.draw(len(endings), "ending")]
	if len(m.stores) > 0 && e.name == "Close" {
		m.ok(m.stores[1].Close(), "Close of the peer")
		m.st = m.stores[0]
	}
	m.heard()
	e.end(m.rig)
	m.open()
	if len(m.stores) > 0 {
		m.configureAs("one", "a", "b")
		m.stores = []spool.Store{m.st, m.beside(m.settings).st}
	}
	if e.name == "PowerCut" {
		m.abandoned() // An Extend may be undone.
	}
	for _, l := range m.lives {
		// When a lease runs out whose Extend was undone is not known here.
		l.fuzzy = l.fuzzy || l.state == spool.Running && e.name == "PowerCut"
		if l.state == spool.Running && !m.outlasts() {
			m.old = append(m.old, l.lease)
			l.state, l.due, l.fuzzy = spool.Retrying, m.now(), true
			l.attempts++
		}
		d := m.delivery(l.id, l.route)
		if e.name == "PowerCut" && l.loose {
			m.undone(l, d)
		}
		waiting := l.state == spool.Available || l.state == spool.Retrying
		if waiting && (d.State == spool.Available || d.State == spool.Retrying) {
			l.state = d.State
		}
		l.loose = false
	}
	if e.name == "PowerCut" {
		m.undoneKeys()
	}
}

// undone takes over what a power cut made of a settle, if it may be: either
// the settle stands, or the attempt was cut short, or its lease has run out by now.
func (m *model) undone(l *life, d spool.DeliveryRecord) {
	if d.State == l.state && d.Attempts == l.attempts && (l.ended() || l.fuzzy || d.Due.Equal(l.due)) {
		return
	}
	if d.State == spool.Running && d.Attempts <= l.attempts && m.outlasts() {
		l.state, l.attempts = spool.Running, d.Attempts
		m.old = slices.DeleteFunc(m.old, func(old spool.Lease) bool { return old == l.lease })
		return
	}
	if d.State != spool.Available && d.State != spool.Retrying || d.Attempts > l.attempts+1 {
		m.Fatalf("event %s for route %s is %v with %d attempts after a power cut, was %v with %d",
			l.id, l.route, d.State, d.Attempts, l.state, l.attempts)
	}
	l.state, l.attempts, l.due, l.fuzzy = d.State, d.Attempts, m.now(), true
}
