package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Lists is a set of the lists that a filter may choose from.
type Lists uint8

// The lists that have filters.
const (
	OfEvents Lists = 1 << iota
	OfDead
	OfQuarantine

	ofDeliveries = OfEvents | OfDead // Entries of quarantine have none.
	ofAll        = ofDeliveries | OfQuarantine
)

// Word is one word of a Filter. Each is a parameter of the API, a member of a
// filter's JSON, and a flag of the commands.
type Word struct {
	// Name is that of the parameter and of the JSON member.
	Name string
	// Help says what is chosen. It completes "only events …".
	Help string
	// Values are all that the word may be, nil where any text may.
	Values []string

	lists Lists
	// field returns where a filter holds the word: a *string, an *int (an HTTP
	// status) or a *time.Time.
	field func(*Filter) any
	// check returns an error for a text that the word cannot have, as one that is none
	// of Values; nil where any text may be.
	check func(text string) error
	// narrow puts the word of a filter that has it into a query. A query has one
	// Delivery, one Match and one Contains: words that share one of these set the same
	// function, which tests all of them.
	narrow func(*Filter, *spool.Query)
}

// words are all words of a Filter, in the order of its fields. A new word is an entry
// here and a field there: parsing, flags, help, completion and errors come from both.
// TestWords fails for one that is half done, and TestContract wants a sample text of it.
// A word about deliveries belongs into Filter.wants as well: replays, discards and groups
// choose by it among the deliveries of an event. What is generated from this table:
//
//	go test ./internal/control -run TestOpenAPI -update
//	go test ./internal/e2e -run TestReference -update
var words = []Word{
	{
		Name: "source", Help: "of this source", lists: ofAll,
		field:  func(f *Filter) any { return &f.Source },
		narrow: func(f *Filter, q *spool.Query) { q.Source = f.Source },
	},
	{
		Name: "id", Help: "of this id", lists: ofAll,
		field:  func(f *Filter) any { return &f.ID },
		narrow: func(f *Filter, q *spool.Query) { q.ID = f.ID },
	},
	{
		Name: "type", Help: "of this type, or of several: message.read,message.failed or message.*", lists: ofAll,
		field: func(f *Filter) any { return &f.Type },
		check: checkTypes, narrow: narrowTypes,
	},
	{
		Name: "route", Help: "with a delivery to this route", lists: ofDeliveries,
		field:  func(f *Filter) any { return &f.Route },
		narrow: func(f *Filter, q *spool.Query) { q.Route = f.Route },
	},
	{
		Name: "state", Help: "with a delivery in this state: " + strings.Join(stateNames(), ", "), Values: stateNames(), lists: OfEvents,
		field: func(f *Filter) any { return &f.State },
		check: checkState, narrow: narrowState,
	},
	{
		Name: "status", Help: "with a delivery whose last attempt had this status", lists: ofDeliveries,
		field:  func(f *Filter) any { return &f.Status },
		narrow: func(f *Filter, q *spool.Query) { q.Delivery = f.tried },
	},
	{
		Name: "error", Help: "with a delivery whose last attempt had an error that holds this", lists: ofDeliveries,
		field:  func(f *Filter) any { return &f.Error },
		narrow: func(f *Filter, q *spool.Query) { q.Delivery = f.tried },
	},
	{
		Name: "kind", Help: "with a dead letter of this kind, as groups of dead letters name it", lists: ofDeliveries,
		field:  func(f *Filter) any { return &f.Kind },
		narrow: func(f *Filter, q *spool.Query) { q.Delivery = f.tried },
	},
	{
		Name: "contains", Help: "whose body holds this text, as it came (reads each body)", lists: ofAll,
		field:  func(f *Filter) any { return &f.Contains },
		narrow: func(f *Filter, q *spool.Query) { q.Contains = []byte(f.Contains) },
	},
	{
		Name: "message_id", Help: "whose data.message_id is this", lists: ofAll,
		field:  func(f *Filter) any { return &f.MessageID },
		narrow: narrowMessage,
	},
	{
		Name: "reason", Help: "in quarantine for this reason, or for one that begins so", lists: OfQuarantine,
		field:  func(f *Filter) any { return &f.Reason },
		narrow: func(f *Filter, q *spool.Query) { q.Reason = f.Reason },
	},
	{
		Name: "since", Help: "that came since then: 2026-03-01T14:00:00Z, 2026-03-01 or 2h (ago)", lists: ofAll,
		field:  func(f *Filter) any { return &f.Since },
		narrow: func(f *Filter, q *spool.Query) { q.Since = f.Since },
	},
	{
		Name: "until", Help: "that came before then", lists: ofAll,
		field:  func(f *Filter) any { return &f.Until },
		narrow: func(f *Filter, q *spool.Query) { q.Until = f.Until },
	},
}

// narrowMessage comes after contains: a query has room for one text to search for.
func narrowMessage(f *Filter, q *spool.Query) {
	q.Match = func(e *spool.Event) bool {
		return messageID(e.Request.Body) == f.MessageID && bytes.Contains(e.Request.Body, []byte(f.Contains))
	}
	// In the body it may stand escaped, if it has such characters at all.
	if raw, err := json.Marshal(f.MessageID); err == nil && string(raw) == `"`+f.MessageID+`"` {
		q.Contains = []byte(f.MessageID)
	}
}

// Words returns the words that choose from a list.
func Words(list Lists) []Word {
	return slices.DeleteFunc(slices.Clone(words), func(w Word) bool { return w.lists&list == 0 })
}

// AllWords returns the words of all lists.
func AllWords() []Word { return Words(ofAll) }

// Set reads text into a filter. Times may be relative to now.
func (w Word) Set(f *Filter, text string, now time.Time) error {
	switch field := w.field(f).(type) {
	case *string:
		*field = text
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil || !isStatus(n) {
			return badStatus(text)
		}
		*field = n
	case *time.Time:
		t, err := ParseTime(text, now)
		if err != nil {
			return err
		}
		*field = t
	}
	return w.valid(f)
}

// valid returns an error where the word has a value that it cannot have.
func (w Word) valid(f *Filter) error {
	switch field := w.field(f).(type) {
	case *string:
		if w.check != nil && *field != "" {
			return w.check(*field)
		}
	case *int:
		if *field != 0 && !isStatus(*field) {
			return badStatus(strconv.Itoa(*field))
		}
	}
	return nil
}

func isStatus(n int) bool { return n >= 100 && n <= 999 }

func badStatus(text string) error {
	return fmt.Errorf("%q is no HTTP status: give a status such as 500", text)
}

// text returns the word of a filter as Set reads it, empty where the filter lacks it.
func (w Word) text(f *Filter) string {
	switch field := w.field(f).(type) {
	case *string:
		return *field
	case *int:
		if *field != 0 {
			return strconv.Itoa(*field)
		}
	case *time.Time:
		if !field.IsZero() {
			return field.UTC().Format(time.RFC3339Nano)
		}
	}
	return ""
}

// wordNames returns the names of a list's words for an error message.
func wordNames(list Lists, also ...string) string {
	var names []string
	for _, w := range Words(list) {
		names = append(names, w.Name)
	}
	return strings.Join(append(names, also...), ", ")
}

// Flag returns the name of the word's flag.
func (w Word) Flag() string { return strings.ReplaceAll(w.Name, "_", "-") }
