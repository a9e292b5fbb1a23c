package emulator

import (
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/internal/platform"
)

// State is what an Emulator did. Times are of its clock.
type State struct {
	Now    time.Time `json:"now"`
	Speed  float64   `json:"speed"`
	Counts Counts    `json:"counts"`
	// Webhooks are without their secrets.
	Webhooks []platform.Webhook `json:"webhooks"`
	// Jobs are the latest, oldest first.
	Jobs []Job `json:"jobs"`
	// Sent has one item for each event and webhook, and for each forgery,
	// oldest first. Nil where only counts were asked for.
	Sent []Sent `json:"sent,omitzero"`
}

// Counts are numbers since the start or the last Reset.
type Counts struct {
	// Events made; each goes to one webhook or more.
	Events int `json:"events"`
	// Deliveries = Delivered + Failed + Cancelled + Pending.
	Deliveries int `json:"deliveries"`
	Delivered  int `json:"delivered"`
	Failed     int `json:"failed"`
	Cancelled  int `json:"cancelled"` // their webhook was deleted
	Pending    int `json:"pending"`
	// Attempts that the schedule counts, and how many of them got 2xx.
	Attempts  int `json:"attempts"`
	Succeeded int `json:"succeeded"`
	// Duplicates and Forgeries are requests beside the schedule.
	Duplicates int `json:"duplicates"`
	Forgeries  int `json:"forgeries"`
	// ForgeriesTaken were answered with 2xx: the receiver let them in.
	ForgeriesTaken int `json:"forgeries_taken"`
	// InFlight are requests that run now.
	InFlight int `json:"in_flight"`
	// Forgotten are the items of Sent that were dropped for room.
	Forgotten int `json:"forgotten"`
}

// The states of Sent.
const (
	Waiting   = "waiting"
	Delivered = "delivered"
	Failed    = "failed"
	Cancelled = "cancelled"
	Forged    = "forged"
)

// Sent is one event on its way to one webhook, or one forgery.
type Sent struct {
	WebhookID string `json:"webhook_id"`
	JobID     string `json:"job_id,omitzero"`
	// EventID is that of the body, empty if an odd one has none.
	EventID string `json:"event_id"`
	Type    string `json:"type"`
	// Faults are what is wrong with it, for example "slow", "duplicate:overlap", "odd:no_id",
	// "bad_signature:missing".
	Faults []string `json:"faults,omitzero"`
	// SHA256 is that of the body, in hex; Size is the body's, in bytes.
	SHA256 string `json:"sha256"`
	Size   int    `json:"size"`
	Status string `json:"status"`
	// NextAttemptAt is zero unless Status is Waiting.
	NextAttemptAt time.Time `json:"next_attempt_at,omitzero"`
	Attempts      []Attempt `json:"attempts"`
}

// Attempt is one request to a receiver.
type Attempt struct {
	// N counts the attempts of the schedule from 1; 0 is a duplicate or a
	// forgery.
	N          int       `json:"n"`
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms"`
	// Status is the receiver's, 0 if it did not answer; then Error says why.
	Status int    `json:"status,omitzero"`
	Error  string `json:"error,omitzero"`
	// Result is the answer's X-Inbox-Result, such as inboxgate's "duplicate".
	Result string `json:"result,omitzero"`
}

// State returns a copy of what was sent and what came back.
func (e *Emulator) State() State { return e.state(true) }

// Counts returns the counts of State.
func (e *Emulator) Counts() Counts { return e.state(false).Counts }

// Now returns the emulator's time: the machine's and what Advance added.
func (e *Emulator) Now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return stamp(e.now())
}

func (e *Emulator) state(withSent bool) State {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.round
	s := State{Now: stamp(e.now()), Speed: e.opts.Speed, Counts: r.counts, Webhooks: e.list(), Jobs: []Job{}}
	s.Counts.InFlight = e.inFlight
	for _, j := range r.jobs {
		s.Jobs = append(s.Jobs, j.Job)
	}
	if !withSent {
		return s
	}
	s.Sent = make([]Sent, 0, len(r.sent))
	for _, d := range r.sent {
		s.Sent = append(s.Sent, d.shown())
	}
	return s
}

// shown returns a copy of a delivery as State has it. The caller holds the emulator's mu.
func (d *delivery) shown() Sent {
	one := Sent{
		WebhookID: d.webhook, JobID: d.job, EventID: d.content.eventID, Type: d.content.typ,
		Faults: d.fault.names(), SHA256: d.content.sha256, Size: d.content.size,
		Status: d.status, Attempts: slices.Clone(d.attempts),
	}
	if d.status == Waiting {
		one.NextAttemptAt = stamp(d.due)
	}
	return one
}
