package history

import (
	"slices"
	"testing"
	"time"
)

// trouble is one between two moments.
func (m *made) trouble(what Trouble, life int, from, to time.Duration) *made {
	m.entries = append(m.entries, Entry{Kind: kindTrouble, Trouble: what, Life: life, Begun: from, At: to})
	return m
}

// kept is a row of an event, with deliveries that have ended.
func (m *made) kept(key string, routes ...string) *made {
	m.add(Entry{Kind: kindKept, Key: key})
	for _, r := range routes {
		m.add(Entry{Kind: kindKept, Key: key, Route: r, Result: "delivered", Final: true})
	}
	return m
}

// whole is an event that came, was delivered, and is kept.
func whole() *made {
	return new(made).sending("a", "all").answer("a", 1, 200, "accepted").try("a", "all", 1, 1, 200)
}

func TestCheckSeveral(t *testing.T) {
	t.Parallel()
	s := time.Second
	for name, c := range map[string]struct {
		m                        *made
		lost, doubled, violation int
		repeated, wrongly        int
	}{
		"all is well":             {m: whole().kept("a", "all")},
		"accepted by two":         {m: whole().answer("a", 2, 200, "accepted").kept("a", "all"), doubled: 1, violation: 1},
		"not kept":                {m: whole(), lost: 1, violation: 1},
		"kept twice":              {m: whole().kept("a", "all").kept("a"), doubled: 1, violation: 1},
		"kept without a delivery": {m: whole().kept("a"), violation: 1},
		"with one delivery more":  {m: whole().kept("a", "all", "all"), violation: 1},
		"with one to another":     {m: whole().kept("a", "all", "other"), violation: 1},
		"not ended": {m: whole().add(Entry{Kind: kindKept, Key: "a"}).
			add(Entry{Kind: kindKept, Key: "a", Route: "all", Result: "running"}), violation: 1},
		"unanswered, and kept":     {m: new(made).sending("a", "all").silent("a", 1).try("a", "all", 2, 1, 200).kept("a", "all")},
		"unanswered, and not kept": {m: new(made).sending("a", "all").silent("a", 1)},
		"by another for nothing":   {m: whole().try("a", "all", 2, 1, 200).kept("a", "all"), doubled: 1, violation: 1},
		"by the same for nothing":  {m: whole().try("a", "all", 1, 2, 200).kept("a", "all"), doubled: 1, violation: 1},
		"taken over after a death": {m: whole().crash(1, Killed).try("a", "all", 2, 2, 200).kept("a", "all"), repeated: 1},
		"taken over, and the attempt not counted": {
			m: whole().crash(1, Killed).try("a", "all", 2, 1, 200).kept("a", "all"), doubled: 1, violation: 1,
		},
		"another's death": {m: whole().crash(2, Killed).try("a", "all", 3, 2, 200).kept("a", "all"), doubled: 1, violation: 1},
		"two at once": {
			m:       new(made).sending("a", "all").answer("a", 1, 200, "accepted").try("a", "all", 1, 1, 0).try("a", "all", 2, 2, 200).kept("a", "all"),
			doubled: 1, violation: 1,
		},
		"one beside a dead one": {
			m: new(made).sending("a", "all").answer("a", 1, 200, "accepted").try("a", "all", 1, 1, 0).crash(1, Killed).try("a", "all", 2, 2, 200).kept("a", "all"),
		},
		"undone by the database": {m: whole().trouble(Shaken, 0, 3500*time.Millisecond, 4*s).try("a", "all", 1, 1, 200).kept("a", "all"), repeated: 1},
		"cut off, settled late":  {m: whole().trouble(Cut, 1, 2500*time.Millisecond, 9*s).try("a", "all", 2, 2, 200).kept("a", "all"), repeated: 1},
		"another was cut off":    {m: whole().trouble(Cut, 2, 2500*time.Millisecond, 9*s).try("a", "all", 2, 2, 200).kept("a", "all"), doubled: 1, violation: 1},
		"arrived late":           {m: whole().try("a", "all", 2, 1, 200).trouble(Unseen, 2, s, 9*s).kept("a", "all"), repeated: 1},
		"accepted while cut off": {m: whole().trouble(Cut, 1, s, 5*s).kept("a", "all"), wrongly: 1, violation: 1},
		"by one that was not":    {m: whole().trouble(Cut, 2, s, 5*s).kept("a", "all")},
	} {
		got := Check(c.m.entries, Rules{Several: true})
		if got.Lost != c.lost || got.Doubled != c.doubled || got.Repeated != c.repeated || got.WronglyAccepted != c.wrongly || len(got.Violations) != c.violation {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// at is a history whose lines say when.
func at(entries ...Entry) []Entry {
	for i := range entries {
		if entries[i].Kind == kindAnswer {
			entries[i].Begun, entries[i].Status, entries[i].Result = entries[i].At, 200, "accepted"
		}
	}
	return append([]Entry{{Kind: kindSending, Event: &Event{ID: "a", Routes: []string{"all"}}}}, entries...)
}

func TestIdle(t *testing.T) {
	t.Parallel()
	s := time.Second
	acked := Entry{Kind: kindAnswer, Key: "a", Life: 1, At: s}
	// came is an attempt that took a tenth of a second.
	came := func(after time.Duration) []Entry {
		return []Entry{
			{Kind: kindArrival, Key: "a", Route: "all", Life: 1, Attempt: 1, Arrival: 1, At: after},
			{Kind: kindEnd, Key: "a", Route: "all", Life: 1, Arrival: 1, Status: 200, At: after + s/10},
		}
	}
	kept := []Entry{{Kind: kindKept, Key: "a"}, {Kind: kindKept, Key: "a", Route: "all", Final: true}}
	for name, c := range map[string]struct {
		after   time.Duration
		beside  []Entry
		violate bool
	}{
		"at once":                {after: s},
		"soon":                   {after: 2400 * time.Millisecond},
		"too late":               {after: 3 * s, violate: true},
		"behind a death":         {after: 25 * s, beside: []Entry{{Kind: kindCrash, Life: 2, At: 2 * s, Crash: Killed}}},
		"too late for that":      {after: 35 * s, beside: []Entry{{Kind: kindCrash, Life: 2, At: 2 * s, Crash: Killed}}, violate: true},
		"long before a death":    {after: 25 * s, beside: []Entry{{Kind: kindCrash, Life: 2, At: 20 * s, Crash: Killed}}, violate: true},
		"behind a trouble":       {after: 35 * s, beside: []Entry{{Kind: kindTrouble, Trouble: Slow, Begun: s, At: 10 * s}}},
		"the recorder was away":  {after: 4 * s, beside: []Entry{{Kind: kindTrouble, Trouble: Stalled, Begun: 2 * s, At: 3 * s}}},
		"it was not for so long": {after: 6 * s, beside: []Entry{{Kind: kindTrouble, Trouble: Stalled, Begun: 2 * s, At: 3 * s}}, violate: true},
	} {
		entries := at(slices.Concat([]Entry{acked}, came(c.after), kept, c.beside)...)
		got := Check(entries, Rules{Several: true, Idle: 1500 * time.Millisecond, Orphaned: 30 * s})
		if (len(got.Violations) > 0) != c.violate {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
