package control

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// TestWords fails for a word that is half done: without its field, without a help,
// without a list, or that chooses nothing.
func TestWords(t *testing.T) {
	t.Parallel()
	fields := reflect.VisibleFields(reflect.TypeFor[Filter]())
	var names, tags []string
	for _, w := range words {
		names = append(names, w.Name)
	}
	for _, f := range fields {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		tags = append(tags, name)
	}
	if !slices.Equal(names, tags) {
		t.Fatalf("the table has %v, the fields of Filter are %v: want the same in one order", names, tags)
	}
	now := time.Now()
	for i, w := range words {
		text := map[string]string{"status": "404", "since": "2026-03-01T14:00:00Z", "until": "2026-03-01T15:00:00Z"}[w.Name]
		if w.Values != nil {
			text = w.Values[0]
		} else if text == "" {
			text = "a-text"
		}
		var f Filter
		if err := w.Set(&f, text, now); err != nil {
			t.Errorf("%s=%s: %v", w.Name, text, err)
		}
		if v := reflect.ValueOf(f).Field(i); v.IsZero() || w.text(&f) != text {
			t.Errorf("%s=%s: the field %s is %v, as text %q", w.Name, text, fields[i].Name, v, w.text(&f))
		}
		if w.Help == "" || w.lists == 0 {
			t.Errorf("%s has no help or no list", w.Name)
		}
		q := f.query()
		if reflect.ValueOf(q).IsZero() {
			t.Errorf("%s chooses nothing", w.Name)
		}
		if q.Delivery != nil && w.Name != "state" && f.wants(ending{}) {
			t.Errorf("%s chooses deliveries, and Filter.wants does not know it: a discard would take others of the event along", w.Name)
		}
		if w.Values != nil {
			for _, value := range w.Values {
				if err := w.Set(&f, value, now); err != nil {
					t.Errorf("%s=%s: %v", w.Name, value, err)
				}
			}
			if err := w.Set(&f, "none of them", now); err == nil || !strings.Contains(err.Error(), strings.Join(w.Values, ", ")) {
				t.Errorf("%s=none of them: %v, want an error that lists %v", w.Name, err, w.Values)
			}
		}
	}
}

// Every state that a delivery is shown in may be asked for.
func TestStatesShownMayBeAsked(t *testing.T) {
	t.Parallel()
	for s := spool.Available; s.String() != "unknown"; s++ {
		if got, ok := states[s.String()]; !ok || got != s {
			t.Errorf("%s is no word for a state", s)
		}
	}
	for _, s := range routeStates {
		if _, ok := states[s]; ok == (otherWords[s] != "") {
			t.Errorf("a route's state %q is a word for a delivery's: %v, and says what to ask for instead: %q", s, ok, otherWords[s])
		}
		if err := checkState(s); err != nil && !strings.Contains(err.Error(), "waiting") {
			t.Errorf("asked for %q: %v, want the word to ask for", s, err)
		}
	}
}

// A step says what is still to come and how fast it goes.
func TestProgress(t *testing.T) {
	t.Parallel()
	began := time.Now()
	for _, c := range []struct {
		total, max int64
		step       Step
		rest       int64
		rate       float64
	}{
		{total: 1000, step: Step{Matched: 400, Skipped: 100}, rest: 600, rate: 200},
		{total: 1000, max: 500, step: Step{Matched: 400, Skipped: 100}, rest: 200, rate: 200},
		{total: 1000, max: 5000, step: Step{Matched: 400}, rest: 600, rate: 200},
		{total: 300, step: Step{Matched: 400}, rest: 0, rate: 200}, // It grew meanwhile.
	} {
		p := progress{began: began, total: spool.Count{N: c.total}, max: c.max}
		if got := p.at(c.step, began.Add(2*time.Second)); got.Rest != c.rest || got.Rate != c.rate {
			t.Errorf("%+v: rest %d, rate %v, want %d and %v", c, got.Rest, got.Rate, c.rest, c.rate)
		}
	}
}
