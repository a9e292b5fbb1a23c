package history

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/verify"
)

// Log is a record under way. Its methods may be called concurrently.
type Log struct {
	start time.Time
	seed  uint64

	mu      sync.Mutex
	entries []Entry
	sent    map[string]*sent
	order   []*sent
	byID    map[string][]*sent
	arrived int
	acked   int // events with a 200
	in      map[int]int
	waiting int // what was acknowledged and no app has, over all routes
	changed chan struct{}
	aliases map[string]string // other names of routes
}

// sent is an event and what is known about it now.
type sent struct {
	Event
	life     int // of its first sending
	acked    int // the life of the first 200, 0 before
	reached  map[string]bool
	answered int
}

// New begins a record. The seed is kept in it.
func New(seed uint64) *Log {
	l := &Log{
		start: time.Now(), seed: seed, sent: make(map[string]*sent), byID: make(map[string][]*sent),
		in: make(map[int]int), changed: make(chan struct{}),
	}
	l.entries = append(l.entries, Entry{Kind: kindSeed, Seed: seed})
	return l
}

// Seed is the seed of New.
func (l *Log) Seed() uint64 { return l.seed }

// note appends an entry; the log is locked.
func (l *Log) note(e Entry) {
	if e.At == 0 {
		e.At = time.Since(l.start)
	}
	l.entries = append(l.entries, e)
	close(l.changed)
	l.changed = make(chan struct{})
}

// Sending is called before an event leaves for the first time, for it may arrive
// before its answer. life is the process it is sent to.
func (l *Log) Sending(e Event, life int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent[e.key()] != nil {
		return
	}
	s := &sent{Event: e, life: life, reached: make(map[string]bool)}
	l.sent[e.key()] = s
	l.order = append(l.order, s)
	l.byID[e.ID] = append(l.byID[e.ID], s)
	l.note(Entry{Kind: kindSending, Event: &s.Event, Life: life})
}

// Answered notes what came of sending an event once.
func (l *Log) Answered(key string, a Answer) {
	if a.At.IsZero() {
		a.At = time.Now()
	}
	if a.Begun.IsZero() {
		a.Begun = a.At
	}
	e := Entry{
		Kind: kindAnswer, At: a.At.Sub(l.start), Begun: a.Begun.Sub(l.start), Key: key, Life: a.Life,
		Status: a.Status, Result: a.Result, Reason: a.Reason, Copy: a.Copy,
	}
	if a.Err != nil {
		e.Error = a.Err.Error()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sent[key]
	if s == nil {
		l.note(Entry{Kind: kindFault, Key: key, Wrong: "an answer to what was never sent"})
		return
	}
	s.answered++
	e.Copy = e.Copy || s.acked > 0
	if a.Status == http.StatusOK && s.acked == 0 {
		s.acked = max(a.Life, 1)
		l.acked++
		if !s.Odd && !s.Forged {
			for _, route := range s.Routes {
				if !s.reached[route] {
					l.waiting++
				}
			}
		}
	}
	l.note(e)
}

// Attempt is one request that came to an app.
type Attempt struct {
	log *Log
	// Arrival is its number in the record.
	Arrival int
	// Key is empty when nobody sent it.
	Key, Route string
	// Life, N and Replay are those of its headers.
	Life, N, Replay int
}

// Arrived notes a request of the app of a route, and what is wrong with it.
func (l *Log) Arrived(route string, r *http.Request, body []byte) *Attempt {
	id := r.Header.Get("X-Inbox-Event-Id")
	a := &Attempt{log: l, Route: route}
	var err, err2, err3 error
	a.Life, err = strconv.Atoi(r.Header.Get(Life))
	a.N, err2 = strconv.Atoi(r.Header.Get("X-Inbox-Attempt"))
	if replay := r.Header.Get("X-Inbox-Replay"); replay != "" {
		a.Replay, err3 = strconv.Atoi(replay)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arrived++
	a.Arrival = l.arrived
	e := Entry{Kind: kindArrival, Route: route, Life: a.Life, Attempt: a.N, Replay: a.Replay, Arrival: a.Arrival}
	s, wrong := l.match(route, id, r, body)
	switch {
	case wrong != "":
		e.Wrong = fmt.Sprintf("%q: %s", id, wrong)
	case err != nil || err2 != nil || err3 != nil:
		e.Wrong = fmt.Sprintf("%q: life, attempt or replay is no number", id)
	default:
		e.Wrong = headers(s, route, l.called(r.Header.Get("X-Inbox-Route")), a.Replay, r)
	}
	if s != nil {
		a.Key = s.key()
		e.Key = a.Key
	}
	l.in[a.Life]++
	l.note(e)
	return a
}

// match finds the event that came, and says why it should not have.
func (l *Log) match(route, id string, r *http.Request, body []byte) (*sent, string) {
	source := r.Header.Get("X-Inbox-Source")
	why := "was never sent"
	for _, s := range l.byID[id] {
		switch {
		case s.Source != "" && s.Source != source:
			why = "is of another source"
		case s.Forged && bytes.Equal(s.Body, body):
			why = "was never validly signed"
		case s.Odd && bytes.Equal(s.Body, body):
			why = "belongs into quarantine"
		case s.Forged || s.Odd:
		case !slices.Contains(s.Routes, route):
			why = "is not for this route"
		case !bytes.Equal(s.Body, body):
			why = fmt.Sprintf("other bytes than were sent: %d, want %d", len(body), len(s.Body))
		default:
			return s, ""
		}
	}
	return nil, why
}

// headers says what an app sees otherwise than it was sent.
func headers(s *sent, route, told string, replay int, r *http.Request) string {
	key := s.ID
	if replay > 0 {
		key += ":r" + strconv.Itoa(replay)
	}
	h := r.Header
	switch {
	case !slices.Equal(h[verify.Header], []string{s.Signature}):
		return fmt.Sprintf("%q: another signature than was sent", s.ID)
	case told != route || h.Get("X-Inbox-Event-Type") != s.Type:
		return fmt.Sprintf("%q: route %q, type %q", s.ID, h.Get("X-Inbox-Route"), h.Get("X-Inbox-Event-Type"))
	case r.Method != http.MethodPost || h.Get("Content-Type") != "application/json":
		return fmt.Sprintf("%q: another request: %s %s", s.ID, r.Method, h.Get("Content-Type"))
	case h.Get("Idempotency-Key") != key:
		return fmt.Sprintf("%q: its idempotency key is %q", s.ID, h.Get("Idempotency-Key"))
	}
	return ""
}

// Ended notes the app's answer. Err means that it could not be sent whole, or
// that the caller has gone: nobody can say whether it was seen.
func (a *Attempt) Ended(status int, err error) {
	e := Entry{Kind: kindEnd, Key: a.Key, Route: a.Route, Life: a.Life, Arrival: a.Arrival, Status: status}
	if err != nil {
		e.Error = err.Error()
	}
	l := a.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.sent[a.Key]; s != nil && taken(status) && !s.reached[a.Route] {
		s.reached[a.Route] = true
		if s.acked > 0 && !s.Odd && !s.Forged {
			l.waiting--
		}
	}
	l.note(e)
}

// taken says whether an app with this answer has the event.
func taken(status int) bool { return status >= 200 && status <= 299 }
