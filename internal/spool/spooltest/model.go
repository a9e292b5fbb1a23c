package spooltest

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// The model is played a few times by default, and at length where asked. The
// flags of rapid, which are parsed later, have the last word.
func init() {
	set := map[string]string{"rapid.checks": "25", "rapid.steps": "40", "rapid.shrinktime": "1s", "rapid.nofailfile": "true"}
	if os.Getenv("INBOXGATE_LONG") != "" {
		set["rapid.checks"], set["rapid.steps"], set["rapid.shrinktime"] = "200", "60", "30s"
	}
	for name, value := range set {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
}

// life is a delivery as the model has it.
type life struct {
	id, route string
	key       string // orders it, empty for none
	behind    bool   // waits for another one of its key to end
	passed    bool   // was let go by that end, and waits since
	seq       int64
	state     spool.State
	attempts  int
	replay    int
	due       time.Time
	fuzzy     bool // due since some time up to now: was given back or cut short
	loose     bool // settled since the last commit that a power cut must keep
	lease     spool.Lease
}

// model plays random calls on a store, and knows what must come of them.
type model struct {
	*rig
	rt    *rapid.T
	ids   []string
	lives []*life
	old   []spool.Lease // leases that have ended
	held  map[string]bool
	// stores are those of two processes, or nothing where there is one. Each call goes
	// to one of them.
	stores []spool.Store
}

// gamesFor is how long games are begun: an engine whose every failure has to be waited for
// takes minutes for as many as another plays in a second.
const gamesFor = caseLimit / 2

// games plays random games until there were as many as rapid is told, or limit is over. One that
// was lost is played again, for the shortest that is.
func games(t testing.TB, limit time.Duration, play func(*rapid.T)) {
	began, lost := time.Now(), false
	rapid.Check(t, func(rt *rapid.T) {
		if !lost && time.Since(began) >= limit {
			return
		}
		defer func() { lost = lost || rt.Failed() }()
		play(rt)
	})
}

func playModel(t testing.TB, mk Make) {
	games(t, gamesFor, func(rt *rapid.T) {
		m := &model{rig: newRig(player{t, rt}, mk, spool.Settings{}), rt: rt, held: map[string]bool{}}
		defer m.Kill(t)
		rt.Repeat(m.calls())
	})
}

// playPeers plays the same on two processes, of which one comes and goes.
func playPeers(t testing.TB, mk Make) {
	(&rig{TB: t, Engine: mk(t)}).sharer()
	games(t, gamesFor, func(rt *rapid.T) {
		r, p := newPair(player{t, rt}, mk, spool.Settings{})
		m := &model{rig: r, rt: rt, held: map[string]bool{}, stores: []spool.Store{r.st, p.st}}
		defer m.Kill(t)
		calls := m.calls()
		calls["peer"] = func(*rapid.T) { m.restartPeer() }
		rt.Repeat(calls)
	})
}

// calls are what a model does, by name.
func (m *model) calls() map[string]func(*rapid.T) {
	calls := map[string]func(*rapid.T){}
	for name, f := range map[string]func(){
		"accept": m.acceptNew, "again": m.acceptKnown, "fail": m.acceptFailing,
		"lease": m.leaseSome, "settle": m.settleOne, "late": m.settleLate,
		"release": m.releaseOne, "extend": m.extendOne, "hold": m.holdOrResume,
		"redeliver": m.replay, "wait": m.wait, "end": m.restart, "": m.compare,
	} {
		calls[name] = func(*rapid.T) {
			if len(m.stores) > 0 {
				m.st = m.stores[m.draw(len(m.stores), "process")]
			}
			f()
		}
	}
	return calls
}

func (m *model) draw(n int, what string) int { return rapid.IntRange(0, n-1).Draw(m.rt, what) }

// one draws a delivery of a kind, and skips the step if there is none.
func (m *model) one(of func(*life) bool) *life {
	var found []*life
	for _, l := range m.lives {
		if of(l) {
			found = append(found, l)
		}
	}
	if len(found) == 0 {
		m.rt.Skip("no such delivery")
	}
	return found[m.draw(len(found), "delivery")]
}

func (m *model) runs(l *life) bool { return l.state == spool.Running && l.lease.Until.After(m.now()) }
func (l *life) ended() bool        { return l.state == spool.Delivered || l.state == spool.Dead }

// dueAt returns when a delivery that is not running is or was due.
func (l *life) dueAt() time.Time {
	if l.state == spool.Running {
		return l.lease.Until
	}
	return l.due
}

func (m *model) isDue(l *life) bool {
	return !l.ended() && !l.behind && !m.runs(l) && !l.dueAt().After(m.now())
}

func (m *model) hasDue(route string) bool { return m.hasDueBut(route, false) }

// hasDueBut leaves out, where so asked, what need not be known to be due: what the end of
// another of its key has let go, and a lease of which a power cut has undone when it ends.
func (m *model) hasDueBut(route string, sure bool) bool {
	for _, l := range m.lives {
		if l.route == route && m.isDue(l) && !(sure && (l.passed || l.fuzzy && l.state == spool.Running)) {
			return true
		}
	}
	return false
}

func (m *model) acceptNew() {
	id := fmt.Sprint(len(m.ids) + 1)
	in := starting(intake(m.event(id), [][]string{{"a"}, {"a", "b"}, {}}[m.draw(3, "routes")]...), "two")
	start := m.draw(2, "start") == 1
	key := m.drawKey()
	may, want := map[string]bool{}, map[string]bool{}
	for i, w := range in.Routes {
		in.Routes[i].Start, in.Routes[i].Key = start, key
		may[w.Route] = start && !m.held[w.Route] && !m.hasDueBut(w.Route, true) && !m.taken(w.Route, key)
		want[w.Route] = start && !m.held[w.Route] && !m.hasDue(w.Route) && !m.taken(w.Route, key)
	}
	got := m.want(in, spool.Accepted)
	m.born(in, got.Seq)
	for _, d := range got.Running {
		l := m.find(d.Event.ID, d.Route.Route)
		if !may[l.route] && (len(m.stores) == 0 || m.held[l.route] || l.behind) {
			m.Fatalf("event %s was born running for route %s out of turn", id, l.route)
		}
		delete(want, l.route)
		m.took(l, d)
	}
	for route, missing := range want {
		// One process need not know what another has made due, or ended.
		if missing && len(m.stores) == 0 {
			m.Fatalf("event %s was not born running for route %s", id, route)
		}
	}
}

func (m *model) born(in spool.Intake, seq int64) {
	m.ids = append(m.ids, in.Event.ID)
	for _, w := range in.Routes {
		m.lives = append(m.lives, &life{
			id: in.Event.ID, route: w.Route, key: w.Key, behind: m.taken(w.Route, w.Key), seq: seq, state: spool.Available, due: m.now(),
		})
	}
}

func (m *model) find(id, route string) *life {
	for _, l := range m.lives {
		if l.id == id && l.route == route {
			return l
		}
	}
	m.Fatalf("no delivery of event %s to route %s was made", id, route)
	return nil
}

func (m *model) acceptKnown() {
	if len(m.ids) == 0 {
		m.rt.Skip("no events")
	}
	id := m.ids[m.draw(len(m.ids), "event")]
	if m.draw(2, "body") == 0 {
		m.want(intake(m.event(id), "a"), spool.Duplicate)
	} else {
		m.want(intake(m.eventOf(source, id, "other"), "a"), spool.Conflict)
	}
}

// acceptFailing fails a sync of an accept. Whether leases outlive the repair
// is the engine's own affair, so none is out.
func (m *model) acceptFailing() {
	for _, l := range m.lives {
		if l.state == spool.Running {
			m.rt.Skip("a lease is out")
		}
	}
	in := keyed(intake(m.event(fmt.Sprint(len(m.ids)+1)), "a", "b"), m.drawKey())
	m.FailSyncs(m.draw(2, "after"), 1)
	if _, err := m.st.Accept(bg, in); err == nil {
		// The fault was not met, and must not be met later.
		m.FailSyncs(0, 0)
	}
	m.acceptAgain(in)
	m.FailSyncs(0, 0)
	m.born(in, m.record(in.Event.ID).Event.Seq)
}

// took notes a lease, and that everything before it is now durable.
func (m *model) took(l *life, d spool.Delivery) {
	if l.ended() || m.runs(l) || l.behind {
		m.Fatalf("event %s was leased for route %s while it is %v, behind another of its key: %v", l.id, l.route, l.state, l.behind)
	}
	if l.state == spool.Running {
		m.old = append(m.old, l.lease)
		l.attempts++
	}
	if d.Attempts != l.attempts || d.Replay != l.replay {
		m.Fatalf("event %s for route %s: %d attempts, replay %d, want %d, %d", l.id, l.route, d.Attempts, d.Replay, l.attempts, l.replay)
	}
	l.state, l.lease, l.fuzzy, l.loose, l.passed = spool.Running, d.Lease, false, false, false
}

func (m *model) wait() {
	m.add([]time.Duration{time.Second, leaseFor / 2, 2 * leaseFor}[m.draw(3, "wait")])
}

// compare reads the whole log after each step.
func (m *model) compare() {
	seen := 0
	for _, rec := range m.records(spool.Query{}) {
		for _, d := range rec.Deliveries {
			l := m.find(rec.Event.ID, d.Route)
			seen++
			// When a lease that ran out is counted is the engine's own affair.
			over := l.state == spool.Running && !m.runs(l)
			counted := over && d.State != spool.Running && d.Attempts == l.attempts+1
			if !counted && (d.State != l.state || d.Attempts != l.attempts) || d.Replay != l.replay || d.Behind != l.behind {
				m.Fatalf("event %s for route %s is %v with %d attempts, replay %d, behind %v, want %v, %d, %d, %v",
					l.id, l.route, d.State, d.Attempts, d.Replay, d.Behind, l.state, l.attempts, l.replay, l.behind)
			}
		}
	}
	if seen != len(m.lives) {
		m.Fatalf("%d deliveries, want %d", seen, len(m.lives))
	}
	for _, route := range []string{"a", "b"} {
		held := func() bool { return m.route(route).Hold != nil }
		if len(m.stores) > 0 { // What another process holds is known soon.
			m.soon("hold", func() bool { return held() == m.held[route] }, func() any { return held() }, m.held[route])
		}
		if held() != m.held[route] {
			m.Fatalf("route %s is held: %v, want %v", route, held(), m.held[route])
		}
	}
}
