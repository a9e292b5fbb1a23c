package spooltest

import "github.com/inboxgate/inboxgate/internal/spool"

func (m *model) drawKey() string { return []string{"", "x", "y"}[m.draw(3, "key")] }

// taken reports whether a delivery holds the place of a key: another one waits behind it.
func (m *model) taken(route, key string) bool {
	for _, l := range m.lives {
		if key != "" && l.route == route && l.key == key && !l.behind && !l.ended() {
			return true
		}
	}
	return false
}

// next has the first of those behind a delivery take its place if it has ended.
func (m *model) next(ended *life) {
	var first *life
	for _, l := range m.lives {
		if l.behind && l.route == ended.route && l.key == ended.key && (first == nil || l.seq < first.seq) {
			first = l
		}
	}
	if first == nil || !ended.ended() {
		return
	}
	// Since when it is due is the engine's own affair.
	first.behind, first.passed, first.fuzzy, first.due, first.loose = false, true, true, m.now(), true
}

// undoneKeys takes over who is behind whom where a power cut has undone settles: whose
// place was taken by its next has it again, and the next is behind it.
func (m *model) undoneKeys() {
	for _, l := range m.lives {
		l.behind = m.delivery(l.id, l.route).Behind
		if l.behind && (l.ended() || l.state == spool.Running) {
			m.Fatalf("event %s for route %s is %v, and behind another of its key", l.id, l.route, l.state)
		}
	}
	for _, l := range m.lives {
		holders := 0
		for _, other := range m.lives {
			if other.route == l.route && other.key == l.key && !other.behind && !other.ended() {
				holders++
			}
		}
		if l.key != "" && !l.ended() && holders != 1 {
			m.Fatalf("of key %s of route %s, %d deliveries are not behind another, want one", l.key, l.route, holders)
		}
	}
}
