package faults

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// answerCase is how an app answers the first attempts of an event, and what must
// come of it.
type answerCase struct {
	name   string
	status int
	head   [2]string
	times  int // answered so; 200 afterwards
	want   int // attempts
	gap    time.Duration
}

// farAway is more than an hour, which is the most that an app may ask for.
const farAway = "429 with a date in five hours"

func answerCases(trap string) []answerCase {
	const delay = 200 * time.Millisecond
	none := [2]string{}
	cases := []answerCase{
		{"200", 200, none, 9, 1, 0},
		{"201", 201, none, 9, 1, 0},
		{"204", 204, none, 9, 1, 0},
		{"400", 400, none, 1, 2, delay},
		{"401", 401, none, 2, 3, delay},
		{"500", 500, none, 1, 2, delay},
		{"502", 502, none, 1, 2, delay},
		{"400 for ever", 400, none, 9, 4, delay},
		{"410", 410, none, 9, 1, 0},
		{"429 with Retry-After", 429, [2]string{"Retry-After", "2"}, 1, 2, 2 * time.Second},
		{"503 with Retry-After", 503, [2]string{"Retry-After", "2"}, 1, 2, 2 * time.Second},
		{farAway, 429, [2]string{"Retry-After", time.Now().Add(5 * time.Hour).UTC().Format(http.TimeFormat)}, 1, 1, 0},
		{"429 with nonsense", 429, [2]string{"Retry-After", "soon"}, 1, 2, delay},
		{"500 with Retry-After", 500, [2]string{"Retry-After", "3600"}, 1, 2, delay},
	}
	for name, status := range map[string]int{"301": 301, "302": 302, "303": 303, "307": 307, "308": 308} {
		cases = append(cases, answerCase{name, status, [2]string{"Location", trap}, 1, 2, delay})
	}
	return cases
}

// Each answer of an app has its consequence: success is a 2xx alone, a redirect
// is not followed, 410 is final, and Retry-After is heeded where it counts.
func TestFaultUpstreamAnswers(t *testing.T) {
	t.Parallel()
	url, followed := trap(t)
	var mu sync.Mutex
	asked, seen := make(map[string]answerCase), newVisits()
	behave := func(w http.ResponseWriter, q *http.Request, a *history.Attempt) {
		mu.Lock()
		c := asked[a.Key]
		mu.Unlock()
		if seen.note(a) > c.times {
			c.status, c.head[0] = http.StatusOK, ""
		}
		if c.head[0] != "" {
			w.Header().Set(c.head[0], c.head[1])
		}
		rig.Answer(c.status, "said")(w, q, a)
	}
	r := rig.New(t, rig.Options{
		Routes: []rig.Route{
			{Name: "app", Types: event.TypeMessageRead, Retry: "200ms 200ms 200ms", Behave: behave},
			{Name: "limited", Types: event.TypeMessageFailed, Retry: "200ms 200ms 200ms", Behave: behave},
		},
		Rules: history.Rules{Schedule: map[string][]time.Duration{"app": {200 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond}}},
	})
	r.Start()
	cases, events := answerCases(url), make(map[string]history.Event)
	for _, c := range cases {
		e := r.Event(event.TypeMessageRead)
		if c.name == farAway {
			e = r.Event(event.TypeMessageFailed) // Of a route of its own, which pauses.
		}
		events[c.name] = e
		mu.Lock()
		asked[e.ID] = c
		mu.Unlock()
		wantOK(t, r, e)
	}
	await(t, r, "all attempts", func() bool {
		for _, c := range cases {
			if len(seen.of(events[c.name].ID)) < c.want {
				return false
			}
		}
		return true
	})
	r.Life().Await(t, `"msg":"dead letter"`, 2)
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	books := r.Books()
	waits := events[farAway].ID
	d, ok := books.Delivery(waits, "limited")
	if in := time.Until(d.Due); !ok || d.State != spool.Retrying || in > time.Hour || in < 50*time.Minute {
		t.Errorf("%s: %v, due in %v, want an hour", farAway, d.State, in)
	}
	r.Log.StoredID(waits, "limited", history.Waiting)
	for _, c := range cases {
		at := seen.of(events[c.name].ID)
		if len(at) != c.want {
			t.Errorf("%s: %d attempts, want %d", c.name, len(at), c.want)
		}
		for i := 1; i < len(at); i++ {
			if gap := at[i].Sub(at[i-1]); gap < c.gap-2*time.Millisecond {
				t.Errorf("%s: attempt %d came %v after the one before, want %v", c.name, i+1, gap, c.gap)
			}
		}
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
	r.Report([]int{34, 60}, "an app answers 3xx, 204, 410, 429 with Retry-After", 1)
}
