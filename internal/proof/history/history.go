// Package history is the exact record of a test of the real program: what was
// sent, what was answered, what came to which app, and what was done to the
// program meanwhile. Check judges it afterwards.
//
// Guarantee: Check is a function of the record alone, so that a record that was
// written to a file and read back is judged the same. A promise of the program
// that the record contradicts is a violation; what a promise allows is counted
// and is none.
//
// Limits: the record sees what a sender and an app can see. It does not know
// when the program wrote down a success, so it bounds by number (Rules.InHand)
// and by time (Rules.Unsynced) what a crash may repeat.
package history

import (
	"time"
)

// Life is the header by which an app knows which process is calling: its number,
// counted from 1.
const Life = "X-Proof-Life"

// Event is one request of the sender, which may be sent often.
type Event struct {
	// Key names the event in the record. Default: ID. Events that share an ID (a
	// forged copy, another body, another source) need keys of their own.
	Key string `json:"key,omitempty"`
	// Source is the source it is sent to. Empty: a route's name tells enough.
	Source    string `json:"source,omitempty"`
	ID        string `json:"id,omitempty"`
	Type      string `json:"type,omitempty"`
	Signature string `json:"signature,omitempty"`
	Body      []byte `json:"body,omitempty"`
	// Routes are those that must get it. None: it is stored as unrouted.
	Routes []string `json:"routes,omitempty"`
	// Forged: it must never be answered with 2xx, nor delivered.
	Forged bool `json:"forged,omitempty"`
	// Odd: it is signed, and a 200 means that it is in quarantine.
	Odd bool `json:"odd,omitempty"`
}

// key is what the record calls the event.
func (e *Event) key() string {
	if e.Key != "" {
		return e.Key
	}
	return e.ID
}

// Answer is what came of sending an event once.
type Answer struct {
	// Life is the process it was sent to.
	Life int
	// Begun is when the sending began, At when the answer had been read. The
	// zero At means now; the zero Begun means At.
	Begun, At time.Time
	// Status is 0 without a whole answer.
	Status         int
	Result, Reason string
	// Err is why there is none. That is no fault: nobody can say what became of
	// the event.
	Err error
	// Copy: it was sent although it had been acknowledged. Answered sets it where
	// the record shows that.
	Copy bool
}

// Crash is a way in which a process ends without having settled.
type Crash string

// The crashes that Check knows.
const (
	// Killed: the process died. What ran may be repeated.
	Killed Crash = "killed"
	// PowerCut: the machine lost power. What ended within the last second may be
	// repeated too.
	PowerCut Crash = "power cut"
)

// State is how a delivery ended that no app took.
type State string

// The states in which an event is not lost, though no app has it.
const (
	DeadLetter  State = "dead letter"
	Quarantined State = "quarantined"
	// Waiting: it is stored and its route is not there, or still down.
	Waiting State = "waiting"
)

// Entry is one line of a record. At counts from the record's beginning.
type Entry struct {
	Kind Kind          `json:"kind"`
	At   time.Duration `json:"at"`

	// Event is of Sending only; every other line has the Key.
	Event *Event `json:"event,omitempty"`
	Key   string `json:"key,omitempty"`
	Life  int    `json:"life,omitempty"`
	Route string `json:"route,omitempty"`

	// Of an answer, or of the end of an attempt.
	Begun  time.Duration `json:"begun,omitempty"`
	Status int           `json:"status,omitempty"`
	Result string        `json:"result,omitempty"`
	Reason string        `json:"reason,omitempty"`
	Error  string        `json:"error,omitempty"`
	Copy   bool          `json:"copy,omitempty"`

	// Arrival numbers an attempt; its end has the same number.
	Arrival int `json:"arrival,omitempty"`
	Attempt int `json:"attempt,omitempty"`
	Replay  int `json:"replay,omitempty"`
	// Wrong is what is not as it was sent.
	Wrong string `json:"wrong,omitempty"`

	Crash   Crash   `json:"crash,omitempty"`
	Trouble Trouble `json:"trouble,omitempty"`
	// Final is of what is kept: it will not be tried again.
	Final bool  `json:"final,omitempty"`
	State State `json:"state,omitempty"`
	// Seed is of the first line.
	Seed uint64 `json:"seed,omitempty"`
}

// Line is the result of one test in the table of the proof: one line of JSON.
type Line struct {
	// Rows are the numbers of the faults that it shows.
	Rows   []int  `json:"rows"`
	Fault  string `json:"fault"`
	Test   string `json:"test"`
	Rounds int    `json:"rounds"`
	// Sent counts events, Acked those of them that had a 200.
	Sent            int    `json:"sent"`
	Acked           int    `json:"acked"`
	Lost            int    `json:"lost"`
	Doubled         int    `json:"doubled"`
	Repeated        int    `json:"repeated"`
	WronglyAccepted int    `json:"wrongly_accepted"`
	Seed            uint64 `json:"seed"`
	// Failed: the test found something wrong, in these figures or beside them.
	Failed bool `json:"failed,omitempty"`
}

// Kind is what an Entry tells.
type Kind string

// The kinds of entries.
const (
	kindSeed     Kind = "seed"
	kindSending  Kind = "sending"
	kindAnswer   Kind = "answer"
	kindArrival  Kind = "arrival"
	kindEnd      Kind = "end" // of an attempt, by the app's answer
	kindCrash    Kind = "crash"
	kindRefusing Kind = "refusing" // from Begun to At
	kindState    Kind = "state"
	kindTrouble  Kind = "trouble" // from Begun to At
	kindKept     Kind = "kept"    // by the store, at the end
	kindFault    Kind = "fault"
)
