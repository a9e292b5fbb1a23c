package control

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Event is one event, or one quarantine entry, as the API shows it.
type Event struct {
	// Number is the event's or the entry's in this store. Numbers rise in the order of
	// arrival.
	Number    int64     `json:"number"`
	Source    string    `json:"source"`
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	Received  time.Time `json:"received_at"`
	// Size is the length of the body in bytes.
	Size int `json:"size"`
	// MessageID is data.message_id, empty where there is none.
	MessageID  string     `json:"message_id,omitempty"`
	Deliveries []Delivery `json:"deliveries,omitempty"`
	// Reason is why an entry is in quarantine, or that an event is damaged. Copies
	// counts how often the same body came to quarantine.
	Reason string `json:"reason,omitempty"`
	Copies int    `json:"copies,omitempty"`
	// Body, Text, Header and Request come with a single event only. Text is a body that
	// is not JSON.
	Body    json.RawMessage `json:"body,omitempty"`
	Text    string          `json:"text,omitempty"`
	Header  http.Header     `json:"header,omitempty"`
	Request *Request        `json:"request,omitempty"`
}

// Request is the platform's request that brought an event.
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
	// State is available, running, retrying, parked, delivered, dead or discarded.
	State string `json:"state"`
	// Attempts counts those of its present life that the schedule counts.
	Attempts int `json:"attempts"`
	// Replay is 0 in its first life and n in its nth replay.
	Replay int `json:"replay,omitempty"`
	// Behind reports that it waits until an earlier delivery of its key has ended: its
	// route has an order.
	Behind bool `json:"behind,omitempty"`
	// Due is when it is tried next, zero unless it waits, or waits behind another.
	Due time.Time `json:"due_at,omitzero"`
	// Ended is when it was delivered or died.
	Ended time.Time `json:"ended_at,omitzero"`
	// Reason is why it is dead.
	Reason string `json:"reason,omitempty"`
	// Log has its attempts, oldest first.
	Log []Attempt `json:"log,omitempty"`
}

// Last returns the last attempt, zero where none was made.
func (d Delivery) Last() (at Attempt) {
	if n := len(d.Log); n > 0 {
		at = d.Log[n-1]
	}
	return at
}

// LastWas reports whether the last attempt was as the filter's Status, Error and Kind
// say.
func (d Delivery) LastWas(f Filter) bool {
	at := d.Last()
	return f.wants(ending{d.State == spool.Dead.String(), d.Route, at.Status, at.Error, d.Reason})
}

// Attempt is one try to hand a delivery to its upstream.
type Attempt struct {
	// N counts from 1 over the attempts of one life that the schedule counts.
	N int `json:"attempt"`
	// Replay is 0 in the first life of the delivery and n in its nth replay.
	Replay     int       `json:"replay,omitempty"`
	Start      time.Time `json:"started_at"`
	DurationMS int64     `json:"duration_ms"`
	// Status is the upstream's HTTP status, 0 where it did not answer. Error says what
	// went wrong, empty after success.
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
	// Response is the start of the answer's body.
	Response string `json:"response,omitempty"`
	// Free reports whether the attempt used none of the schedule.
	Free bool `json:"free,omitempty"`
}

// Page is one page of events, newest first.
type Page struct {
	Events []Event `json:"events"`
	// Next is the Cursor of the next page, 0 after the last. A page may be short, even
	// empty, and still have one.
	Next int64 `json:"next,omitempty"`
	// Total is how many the filter chooses on all pages. It comes with the first page,
	// unless the call says total=false. Partial: there are that many, or more; the
	// rest was not counted, because it would have taken too long.
	Total   *int64 `json:"total,omitempty"`
	Partial bool   `json:"partial,omitempty"`
}

// view returns a record as a list shows it.
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

// markParked shows as parked what waits for a route that nobody serves: see api.served.
func (e *Event) markParked(served map[spool.RouteKey]bool) {
	if served == nil {
		return
	}
	for i := range e.Deliveries {
		d := &e.Deliveries[i]
		if (d.State == spool.Available.String() || d.State == spool.Retrying.String()) && !served[spool.RouteKey{Source: e.Source, Route: d.Route}] {
			d.State = parked
		}
	}
}

// viewWhole returns a record with all that is kept of it.
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

// viewDelivery returns a delivery as the API shows it.
func viewDelivery(d spool.DeliveryRecord, reveal bool) Delivery {
	v := Delivery{
		Route: d.Route, State: d.State.String(), Attempts: d.Attempts, Replay: d.Replay,
		Behind: d.Behind, Due: d.Due, Ended: d.Ended, Reason: d.Reason,
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
