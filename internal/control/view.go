package control

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Event is one event, or one quarantine entry, as the API shows it.
type Event struct {
	// Number is the event's in this store, rising in the order of arrival.
	Number    int64     `json:"number"`
	Source    string    `json:"source"`
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	Received  time.Time `json:"received_at"`
	// Size is the body's, in bytes.
	Size int `json:"size"`
	// MessageID is data.message_id, empty where there is none.
	MessageID  string     `json:"message_id,omitempty"`
	Deliveries []Delivery `json:"deliveries,omitempty"`
	// Reason and Copies are of a quarantine entry: why it is there, and how
	// often the same body came.
	Reason string `json:"reason,omitempty"`
	Copies int    `json:"copies,omitempty"`
	// Body, Header and Request come with a single event only.
	Body    json.RawMessage `json:"body,omitempty"`
	Text    string          `json:"text,omitempty"` // of a body that is not JSON
	Header  http.Header     `json:"header,omitempty"`
	Request *Request        `json:"request,omitempty"`
}

// Request is how an event came.
type Request struct {
	Method string `json:"method"`
	URI    string `json:"uri"`
	Host   string `json:"host"`
	Remote string `json:"remote"`
	Scheme string `json:"scheme"`
}

// Delivery is one event on its way to one route.
type Delivery struct {
	Route string `json:"route"`
	// State is available, running, retrying, delivered, dead or discarded.
	State    string    `json:"state"`
	Attempts int       `json:"attempts"`
	Replay   int       `json:"replay,omitempty"`
	Due      time.Time `json:"due_at,omitzero"`
	Ended    time.Time `json:"ended_at,omitzero"`
	Reason   string    `json:"reason,omitempty"`
	Log      []Attempt `json:"log,omitempty"`
}

// Last is the last attempt, zero where none was made.
func (d Delivery) Last() (at Attempt) {
	if n := len(d.Log); n > 0 {
		at = d.Log[n-1]
	}
	return at
}

// LastWas tells whether the last attempt was as the filter's Status and Error
// say.
func (d Delivery) LastWas(f Filter) bool {
	at := d.Last()
	return f.wants(at.Status, at.Error)
}

// Attempt is one try to hand a delivery to its upstream.
type Attempt struct {
	N int `json:"attempt"`
	// Replay is 0 in the first life of the delivery and n in its nth replay.
	Replay     int       `json:"replay,omitempty"`
	Start      time.Time `json:"started_at"`
	DurationMS int64     `json:"duration_ms"`
	Status     int       `json:"status,omitempty"`
	Error      string    `json:"error,omitempty"`
	Response   string    `json:"response,omitempty"`
	// Free: it used none of the schedule.
	Free bool `json:"free,omitempty"`
}

// Page is one page of events, newest first.
type Page struct {
	Events []Event `json:"events"`
	// Next is the cursor of the next page, 0 after the last. A page may be
	// short, even empty, and still have one.
	Next int64 `json:"next,omitempty"`
	// Total is how many the filter chooses on all pages. It comes with the first page,
	// unless the call says total=false. Partial: there are that many, or more; the
	// rest was not counted, because it would have taken too long.
	Total   *int64 `json:"total,omitempty"`
	Partial bool   `json:"partial,omitempty"`
}

// view shows a record in a list.
func view(rec spool.Record, reveal bool) Event {
	e := rec.Event
	v := Event{
		Number: e.Seq, Source: e.Source, ID: e.ID, Type: e.Type, CreatedAt: e.CreatedAt, Received: e.Received,
		Size: len(e.Request.Body), MessageID: messageID(e.Request.Body), Reason: rec.Reason, Copies: rec.Copies,
	}
	for _, d := range rec.Deliveries {
		v.Deliveries = append(v.Deliveries, viewDelivery(d, reveal))
	}
	return v
}

// viewWhole shows a record with all that is kept of it.
func viewWhole(rec spool.Record, reveal bool) Event {
	v := view(rec, reveal)
	q := rec.Event.Request
	v.Header = q.Header.Clone()
	if !reveal {
		// With the body, a signature is a request that anyone may send.
		v.Header.Del("X-Inbox-Signature")
	}
	v.Request = &Request{q.Method, q.URI, q.Host, q.RemoteAddr, q.Scheme}
	body := q.Body
	if !reveal {
		body = mask(body)
	}
	if json.Valid(body) {
		v.Body = body
	} else {
		v.Text = string(body)
	}
	return v
}

func viewDelivery(d spool.DeliveryRecord, reveal bool) Delivery {
	v := Delivery{
		Route: d.Route, State: d.State.String(), Attempts: d.Attempts, Replay: d.Replay,
		Due: d.Due, Ended: d.Ended, Reason: d.Reason,
	}
	for _, a := range d.Log {
		response := a.Response
		if !reveal {
			response = mask(response)
		}
		v.Log = append(v.Log, Attempt{
			N: a.N, Replay: a.Replay, Start: a.Start, DurationMS: a.Took.Milliseconds(), Status: a.Status,
			Error: a.Error, Response: string(response), Free: a.Free,
		})
	}
	return v
}
