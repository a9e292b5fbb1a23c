// Package platform is the Inbox platform's webhook API: its types, its retry schedule
// and a client.
//
// Guarantee: the client sends the requests of the platform's documentation and
// no others. An error is one line, says what the API said, and never holds the
// API key.
//
// Limits: the documentation shows requests and says little about answers. What
// it leaves open is marked OUR ASSUMPTION where it is defined, and is read
// leniently: members of another name, shape or type than assumed are looked for
// where they may be, and otherwise left zero.
package platform

import "time"

// DefaultURL is the address of the platform's API.
const DefaultURL = "https://api.getinbox.app"

// The platform's way of delivering, from its documentation.
const (
	// Attempts is how often a delivery is tried before it is marked as failed.
	Attempts = 6
	// AttemptTimeout is how long a receiver may take to answer.
	AttemptTimeout = 10 * time.Second
)

// Schedule returns the delays before attempts 1 to Attempts, each counted from
// the end of the one before.
func Schedule() [Attempts]time.Duration {
	return [Attempts]time.Duration{
		0,                // running total: 0 s
		30 * time.Second, // 30 s
		2 * time.Minute,  // 2 m 30 s
		8 * time.Minute,  // 10 m 30 s
		32 * time.Minute, // 42 m 30 s
		2 * time.Hour,    // 2 h 42 m 30 s
	}
}

// Registration is what a webhook is created or updated with.
type Registration struct {
	// URL is where events go: http or https.
	URL string `json:"url"`
	// Events are the types of the events to send, at least one.
	Events []string `json:"events"`
	// Description is for people, and may be empty.
	Description string `json:"description"`
}

// Webhook is a registered endpoint.
//
// OUR ASSUMPTION: the documentation shows no answer of the API. The members of
// the request are taken to come back, beside an id and times.
type Webhook struct {
	// ID looks like wh_1234567890.
	ID          string   `json:"id"`
	URL         string   `json:"url"`
	Events      []string `json:"events"`
	Description string   `json:"description"`
	// Secret signs the deliveries. It is empty except in the answer to Create.
	//
	// OUR ASSUMPTION: the documentation names INBOX_WEBHOOK_SECRET and does not say
	// where it comes from. Also read as signing_secret and webhook_secret.
	Secret    string    `json:"secret,omitzero"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// The states of a LogEntry.
//
// OUR ASSUMPTION, as the whole of a LogEntry.
const (
	LogDelivered = "delivered" // answered with 2xx
	LogRetrying  = "retrying"  // failed; another attempt follows
	LogFailed    = "failed"    // failed, and it was the last
)

// LogEntry is one attempt to deliver one event.
//
// OUR ASSUMPTION: the documentation shows how to ask for logs and not what
// comes. See logEntryFrom for the other names that are understood.
type LogEntry struct {
	EventID   string `json:"event_id"`
	EventType string `json:"event_type"`
	// Attempt counts from 1 to Attempts.
	Attempt int `json:"attempt"`
	// Status is LogDelivered, LogRetrying or LogFailed.
	Status      string    `json:"status"`
	AttemptedAt time.Time `json:"attempted_at,omitzero"`
	// DurationMS is how long the attempt took, in milliseconds.
	DurationMS int64 `json:"duration_ms"`
	// ResponseStatus is the receiver's HTTP status, 0 if it did not answer.
	ResponseStatus int `json:"response_status,omitzero"`
	// Error says why there was no answer.
	Error string `json:"error,omitzero"`
	// NextAttemptAt is zero unless Status is LogRetrying.
	NextAttemptAt time.Time `json:"next_attempt_at,omitzero"`
}

// TestEvent is the answer to a test: the event that is on its way.
//
// OUR ASSUMPTION, as the whole of it.
type TestEvent struct {
	WebhookID string `json:"webhook_id"`
	EventID   string `json:"event_id"`
	EventType string `json:"event_type"`
	// Status is "queued" at the emulator.
	Status string `json:"status"`
}
