package control

import (
	"fmt"
	"strings"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Words for Filter.State that are no state of a delivery.
const (
	unrouted = "unrouted" // an event without deliveries
	waiting  = "waiting"  // available or retrying, as routes and the status count them
	parked   = "parked"   // waiting, for a route that is not configured
)

// stateWords are the words for Filter.State, in the order of a delivery's life. of is
// the state of a delivery, 0 for words that are none.
var stateWords = []struct {
	name string
	of   spool.State
}{
	{waiting, 0},
	{"available", spool.Available},
	{"running", spool.Running},
	{"retrying", spool.Retrying},
	{parked, 0},
	{"delivered", spool.Delivered},
	{"dead", spool.Dead},
	{"discarded", spool.Discarded},
	{unrouted, 0},
}

// otherWords are what other lists and the platform call a state, and what to ask for
// instead.
var otherWords = map[string]string{
	RouteReady:      aRoutes,
	RouteSlowed:     aRoutes,
	RouteHeld:       aRoutes,
	RouteHeldByHand: aRoutes,
	"failed":        `the platform's word: ask for "dead"`,
	"quarantined":   "no state of an event: quarantine has a list of its own",
}

const aRoutes = `a state of a route: ask for "waiting" and the name of the route`

// states leads from the name of a delivery's state to the state.
var states = func() map[string]spool.State {
	m := map[string]spool.State{}
	for _, s := range stateWords {
		m[s.name] = s.of
	}
	return m
}()

func stateNames() (names []string) {
	for _, s := range stateWords {
		names = append(names, s.name)
	}
	return names
}

// narrowState puts a state into a query. See api.query for parked.
func narrowState(f *Filter, q *spool.Query) {
	q.State = states[f.State]
	q.Waiting = f.State == waiting || f.State == parked
	q.Unrouted = f.State == unrouted
}

// UnknownValueError is returned by Word.Set for a text that is none of the word's
// Values.
type UnknownValueError struct {
	// Word is the word's name, Text what was given.
	Word, Text string
	// Values are what it may be.
	Values []string
}

func (e *UnknownValueError) Error() string {
	return fmt.Sprintf("unknown %s %q; there are %s", e.Word, e.Text, strings.Join(e.Values, ", "))
}

// checkState returns an error for a text that is no state.
func checkState(text string) error {
	if _, ok := states[text]; ok {
		return nil
	}
	if what, ok := otherWords[text]; ok {
		return fmt.Errorf("%q is %s", text, what)
	}
	return &UnknownValueError{Word: "state", Text: text, Values: stateNames()}
}
