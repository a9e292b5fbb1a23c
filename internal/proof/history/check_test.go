package history

import (
	"strings"
	"testing"
	"time"
)

// made is a history made by hand. Each line comes a second after the last one
// unless it says when.
type made struct {
	entries []Entry
	now     time.Duration
	arrival int
}

func (m *made) add(e Entry) *made {
	m.now += time.Second
	if e.At == 0 {
		e.At = m.now
	}
	m.now = max(m.now, e.At)
	m.entries = append(m.entries, e)
	return m
}

// sending is an event for the routes.
func (m *made) sending(id string, routes ...string) *made {
	return m.add(Entry{Kind: kindSending, Event: &Event{ID: id, Routes: routes}})
}

func (m *made) forged(id string) *made {
	return m.add(Entry{Kind: kindSending, Event: &Event{ID: id, Forged: true}})
}

func (m *made) odd(key string) *made {
	return m.add(Entry{Kind: kindSending, Event: &Event{Key: key, Odd: true}})
}

// answer took a tenth of a second.
func (m *made) answer(key string, life, status int, result string) *made {
	m.add(Entry{Kind: kindAnswer, Key: key, Life: life, Status: status, Result: result})
	last := &m.entries[len(m.entries)-1]
	last.Begun = last.At - time.Second/10
	return m
}

// silent is a send without an answer.
func (m *made) silent(key string, life int) *made {
	return m.add(Entry{Kind: kindAnswer, Key: key, Life: life, Begun: m.now, Error: "reset"})
}

// try is an attempt that the app answered at once; status 0 means never.
func (m *made) try(key, route string, life, attempt, status int) *made {
	m.arrival++
	m.add(Entry{Kind: kindArrival, Key: key, Route: route, Life: life, Attempt: attempt, Arrival: m.arrival})
	if status > 0 {
		m.entries = append(m.entries, Entry{Kind: kindEnd, At: m.now, Key: key, Route: route, Arrival: m.arrival, Status: status})
	}
	return m
}

// cut spoils the end of the last attempt.
func (m *made) cut() *made {
	m.entries[len(m.entries)-1].Error = "broken pipe"
	return m
}

func (m *made) crash(life int, kind Crash) *made {
	return m.add(Entry{Kind: kindCrash, Life: life, Crash: kind})
}

func (m *made) refusing(from, to time.Duration) *made {
	m.entries = append(m.entries, Entry{Kind: kindRefusing, Begun: from, At: to})
	return m
}

func (m *made) state(key, route string, s State) *made {
	return m.add(Entry{Kind: kindState, Key: key, Route: route, State: s})
}

func (m *made) wrong(what string) *made {
	return m.add(Entry{Kind: kindArrival, Route: "all", Life: 1, Arrival: 1000, Wrong: what})
}

func (m *made) wait(d time.Duration) *made {
	m.now += d
	return m
}

// good is an event sent, accepted and delivered by life 1.
func good() *made { return new(made).sending("a", "all").answer("a", 1, 200, "accepted") }

// figures are the counts of a Report that are judged.
type figures struct{ lost, doubled, repeated, wrong int }

func TestCheck(t *testing.T) {
	t.Parallel()
	schedule := Rules{Schedule: map[string][]time.Duration{"all": {2 * time.Second, 5 * time.Second}}}
	for name, c := range map[string]struct {
		made  *made
		rules Rules
		want  figures
		say   string // part of a violation, empty for none
	}{
		"delivered":                      {made: good().try("a", "all", 1, 1, 200)},
		"delivered before its answer":    {made: new(made).sending("a", "all").try("a", "all", 1, 1, 204).answer("a", 1, 200, "accepted")},
		"retried":                        {made: good().try("a", "all", 1, 1, 500).try("a", "all", 1, 2, 200)},
		"no route":                       {made: new(made).sending("a").answer("a", 1, 200, "accepted")},
		"dead letter":                    {made: good().try("a", "all", 1, 1, 410).state("a", "all", DeadLetter)},
		"quarantined":                    {made: new(made).sending("a", "all").answer("a", 1, 200, "quarantined").state("a", "", Quarantined)},
		"never acknowledged":             {made: new(made).sending("a", "all").silent("a", 1)},
		"unknown and delivered":          {made: new(made).sending("a", "all").silent("a", 1).try("a", "all", 1, 1, 200)},
		"refused and delivered":          {made: new(made).sending("a", "all").answer("a", 1, 503, "").try("a", "all", 1, 1, 200)},
		"unknown, then a duplicate":      {made: new(made).sending("a", "all").silent("a", 1).answer("a", 2, 200, "duplicate").try("a", "all", 2, 1, 200)},
		"a copy":                         {made: good().try("a", "all", 1, 1, 200).answer("a", 1, 200, "duplicate")},
		"forged, refused":                {made: new(made).forged("f").answer("f", 1, 401, "")},
		"odd":                            {made: new(made).odd("o").answer("o", 1, 200, "quarantined").answer("o", 1, 200, "quarantined")},
		"lost":                           {made: good(), want: figures{lost: 1}, say: "lost to all"},
		"lost to one of two":             {made: new(made).sending("a", "all", "two").answer("a", 1, 200, "accepted").try("a", "all", 1, 1, 200), want: figures{lost: 1}, say: "lost to two"},
		"only ever failed":               {made: good().try("a", "all", 1, 1, 500).try("a", "all", 1, 2, 500), want: figures{lost: 1}, say: "lost"},
		"dead letter of another route":   {made: good().state("a", "two", DeadLetter), want: figures{lost: 1}, say: "lost"},
		"duplicate and lost":             {made: new(made).sending("a", "all").silent("a", 1).answer("a", 2, 200, "duplicate"), want: figures{lost: 1}, say: "lost"},
		"quarantined and nowhere":        {made: new(made).sending("a", "all").answer("a", 1, 200, "quarantined"), want: figures{lost: 1}, say: "lost"},
		"accepted twice":                 {made: good().try("a", "all", 1, 1, 200).answer("a", 2, 200, "accepted"), want: figures{doubled: 1}, say: "accepted 2 times"},
		"a copy in quarantine":           {made: good().try("a", "all", 1, 1, 200).answer("a", 1, 200, "quarantined"), say: "a copy was answered"},
		"delivered twice in one life":    {made: good().try("a", "all", 1, 1, 200).try("a", "all", 1, 2, 200), want: figures{doubled: 1}, say: "both of life 1"},
		"an answer that was cut":         {made: good().try("a", "all", 1, 1, 200).cut().try("a", "all", 1, 2, 200)},
		"repeated after a kill":          {made: good().try("a", "all", 1, 1, 200).crash(1, Killed).try("a", "all", 2, 2, 200), want: figures{repeated: 1}},
		"repeated and not counted":       {made: good().try("a", "all", 1, 1, 200).crash(1, Killed).try("a", "all", 2, 1, 200), want: figures{doubled: 1}, say: "again as attempt 1 of life 2"},
		"repeated after a clean stop":    {made: good().try("a", "all", 1, 1, 200).try("a", "all", 2, 2, 200), want: figures{doubled: 1}, say: "no crash lies between"},
		"repeated after another's kill":  {made: good().try("a", "all", 1, 1, 200).crash(2, Killed).try("a", "all", 3, 2, 200), want: figures{doubled: 1}, say: "no crash lies between"},
		"repeated after a power cut":     {made: good().try("a", "all", 1, 1, 200).crash(1, PowerCut).try("a", "all", 2, 1, 200), want: figures{repeated: 1}},
		"killed, then power cut":         {made: good().try("a", "all", 1, 1, 200).crash(1, Killed).crash(2, PowerCut).try("a", "all", 3, 1, 200), want: figures{repeated: 1}},
		"old when the power was cut":     {made: good().try("a", "all", 1, 1, 200).wait(time.Minute).crash(1, PowerCut).try("a", "all", 2, 1, 200), want: figures{doubled: 1}, say: "no crash lies between"},
		"repeated while the disk failed": {made: good().try("a", "all", 1, 1, 200).refusing(3*time.Second, time.Minute).try("a", "all", 1, 2, 200), want: figures{repeated: 1}},
		"forged and taken":               {made: new(made).forged("f").answer("f", 1, 200, "accepted"), want: figures{wrong: 1}, say: "forged"},
		"never signed and delivered":     {made: new(made).wrong("never validly signed"), want: figures{wrong: 1}, say: "never validly signed"},
		"200 while the disk refused":     {made: good().try("a", "all", 1, 1, 200).refusing(time.Second, time.Minute), want: figures{wrong: 1}, say: "while the disk refused"},
		"begun before the disk refused":  {made: good().try("a", "all", 1, 1, 200).refusing(1950*time.Millisecond, time.Minute)},
		"duplicate while it refused":     {made: good().try("a", "all", 1, 1, 200).answer("a", 1, 200, "duplicate").refusing(3*time.Second, time.Minute)},
		"odd and accepted":               {made: new(made).odd("o").answer("o", 1, 200, "accepted"), say: "odd"},
		"a good event refused":           {made: new(made).sending("a", "all").answer("a", 1, 401, ""), say: "answered 401"},
		"refused as the rules allow":     {made: new(made).sending("a", "all").answer("a", 1, 413, ""), rules: Rules{Statuses: []int{413}}},
		"no result":                      {made: good().try("a", "all", 1, 1, 200).sending("b").answer("b", 1, 200, ""), say: `answered 200 ""`},
		"refused, answers required":      {made: good().try("a", "all", 1, 1, 200).sending("b").answer("b", 1, 503, ""), rules: Rules{NotRefused: true}, say: "answered 503"},
		"silence, answers required":      {made: good().try("a", "all", 1, 1, 200).sending("b").silent("b", 1), rules: Rules{Answered: true}, say: "no answer: reset"},
		"a test's own finding":           {made: new(made).add(Entry{Kind: kindFault, Wrong: "the app ended"}), say: "the app ended"},
		"on schedule":                    {made: good().try("a", "all", 1, 1, 500).wait(2*time.Second).try("a", "all", 1, 2, 200), rules: schedule},
		"too early":                      {made: good().try("a", "all", 1, 1, 500).try("a", "all", 1, 2, 200), rules: schedule, say: "2s is the schedule"},
		"early after a kill":             {made: good().try("a", "all", 1, 1, 0).crash(1, Killed).try("a", "all", 2, 2, 200), rules: schedule},
		"too many":                       {made: good().try("a", "all", 2, 3, 500).try("a", "all", 3, 4, 200), rules: schedule, say: "attempt 4 at all, and there are 3"},
		"the same attempt twice":         {made: good().try("a", "all", 1, 1, 500).wait(9*time.Second).try("a", "all", 1, 1, 200), rules: schedule, say: "came twice"},
		"a free attempt":                 {made: good().try("a", "all", 1, 1, 503).wait(9*time.Second).try("a", "all", 1, 1, 200), rules: schedule},
		"an uncounted attempt":           {made: good().try("a", "all", 1, 1, 0).try("a", "all", 2, 1, 200), rules: schedule},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := Check(c.made.entries, c.rules)
			if got := (figures{r.Lost, r.Doubled, r.Repeated, r.WronglyAccepted}); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			all := strings.Join(r.Violations, "\n")
			if (all == "") != (c.say == "") || !strings.Contains(all, c.say) {
				t.Errorf("violations %q, want %q", all, c.say)
			}
		})
	}
}

// A crash may repeat what was in hand, and no more.
func TestCheckInHand(t *testing.T) {
	t.Parallel()
	m := new(made)
	ids := []string{"a", "b", "c"}
	for _, id := range ids {
		m.sending(id, "all").answer(id, 1, 200, "accepted").try(id, "all", 1, 1, 200)
	}
	m.crash(1, Killed)
	for _, id := range ids {
		m.try(id, "all", 2, 2, 200)
	}
	for inHand, want := range map[int]int{0: 0, 3: 0, 2: 1} {
		r := Check(m.entries, Rules{InHand: inHand})
		if r.Doubled != want || r.Repeated != 3 || len(r.Violations) != want {
			t.Errorf("%d in hand: doubled %d, repeated %d, %q; want %d doubled", inHand, r.Doubled, r.Repeated, r.Violations, want)
		}
	}
}

func TestCheckCounts(t *testing.T) {
	t.Parallel()
	m := good().try("a", "all", 1, 1, 200).sending("b", "all").answer("b", 1, 503, "").silent("b", 1).forged("f").answer("f", 1, 401, "")
	m.add(Entry{Kind: kindAnswer, Key: "a", Life: 1, Status: 200, Result: "duplicate", Begun: m.now, Copy: true})
	got := Check(m.entries, Rules{})
	want := Report{Events: 3, Sends: 5, Copies: 1, Acked: 1, Refused: 1, Unanswered: 1, Delivered: 1}
	if len(got.Violations) > 0 || got.Events != want.Events || got.Sends != want.Sends || got.Copies != want.Copies ||
		got.Acked != want.Acked || got.Refused != want.Refused || got.Unanswered != want.Unanswered || got.Delivered != want.Delivered {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
