package control

import (
	"fmt"
	"strings"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// unrouted is the state of an event without deliveries.
const unrouted = "unrouted"

// stateWords are the words for Filter.State, in the order of a delivery's life.
var stateWords = []struct {
	name string
	of   spool.State // of a delivery; 0 for an event without any
}{
	{"available", spool.Available},
	{"running", spool.Running},
	{"retrying", spool.Retrying},
	{"delivered", spool.Delivered},
	{"dead", spool.Dead},
	{"discarded", spool.Discarded},
	{unrouted, 0},
}

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
	return &UnknownValueError{Word: "state", Text: text, Values: stateNames()}
}
