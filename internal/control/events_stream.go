package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// maxStreams is how many streams a process has at once.
const maxStreams = 32

// processStreams are the streams of this process, over all its configurations.
var processStreams = make(chan struct{}, maxStreams)

const (
	// streamEvery is the time between two looks at the log.
	streamEvery = 500 * time.Millisecond
	// streamBeat is the time after which a stream that is silent shows that it lives.
	streamBeat = 15 * time.Second
	// streamStall is how long a reader may take for what it was sent.
	streamStall = 10 * time.Second
	// streamMost is how many events a look sends: a reader that wants all has the log.
	streamMost = 1000
)

// The kinds of what a stream brings.
const (
	StreamEvent = "event" // A new event.
	StreamEnded = "ended" // An event of which a delivery has ended.
	StreamGap   = "gap"   // Events were left out.
)

// Gap are new events that a stream has left out, because there are more than it sends:
// the list of events has them.
type Gap struct {
	// After and Before are the numbers between which they lie.
	After  int64 `json:"after"`
	Before int64 `json:"before"`
}

// streamEvents answers with new events, and ended deliveries, until the caller goes.
func (a *api) streamEvents(w http.ResponseWriter, hr *http.Request) {
	r := a.request(hr)
	f, err := a.newFeed(w, r)
	if err != nil {
		writeError(w, err)
		return
	}
	select {
	case a.Streams <- struct{}{}:
		defer func() { <-a.Streams }()
	default:
		w.Header().Set("Retry-After", "10")
		writeError(w, &Error{http.StatusServiceUnavailable, fmt.Sprintf("%d streams are open, which is all there may be: close one, or read the list of events from time to time", cap(a.Streams))})
		return
	}
	if err := f.begin(r.Context(), r.Request); err != nil {
		writeError(w, err)
		return
	}
	if a.Ended != nil {
		defer a.Ended(f.ended.add)()
	}
	f.follow(r.Context())
}

// feed is one stream. It belongs to the goroutine of its request.
type feed struct {
	a     *api
	w     http.ResponseWriter
	query spool.Query
	// after is the number up to which all was sent, and wrote when something was.
	after int64
	wrote time.Time
	ended endings
	// open are events that were sent, of which a delivery had not ended, by how many
	// had; nil where endings are reported.
	open map[int64]int
	err  error // of the first write that failed
}

func (a *api) newFeed(w http.ResponseWriter, r *request) (*feed, error) {
	v := r.URL.Query()
	filter, err := readFilter(v, OfEvents, "after")
	if err != nil {
		return nil, err
	}
	if err := a.sane(filter); err != nil {
		return nil, err
	}
	f := &feed{a: a, w: w, after: -1}
	if f.query, err = a.query(filter, OfEvents); err != nil {
		return nil, err
	}
	f.query.Settled = true
	from := r.Header.Get("Last-Event-ID")
	if from == "" {
		from = v.Get("after")
	}
	if from != "" {
		n, err := strconv.ParseInt(from, 10, 64)
		if err != nil || n < 0 {
			return nil, bad(fmt.Sprintf("after is %q: give the number of an event", from))
		}
		f.after = n
	}
	if _, shared := a.Store.(spool.Shared); shared || a.Ended == nil {
		f.open = map[int64]int{}
	}
	return f, nil
}

// begin finds where the stream begins, and sends its head.
func (f *feed) begin(ctx context.Context, r *http.Request) error {
	if f.after < 0 {
		top, err := f.top(ctx)
		if err != nil {
			return err
		}
		f.after = top
	}
	h := f.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // A proxy that gathers would hold it back.
	if r.ProtoMajor == 1 {
		h.Set("Connection", "keep-alive")
	}
	f.write("retry: 2000\n\n")
	return nil
}

// top returns the highest number in the log, 0 where there is none.
func (f *feed) top(ctx context.Context) (int64, error) {
	page, err := f.a.Store.Records(ctx, spool.Query{Limit: 1, Settled: true})
	if err != nil || len(page.Records) == 0 {
		return 0, err
	}
	return page.Records[0].Event.Seq, nil
}

// follow looks at the log until ctx ends, the process stops, the reader does not read, or
// the store does not answer: the reader comes again then.
func (f *feed) follow(ctx context.Context) {
	tick := time.NewTicker(streamEvery)
	defer tick.Stop()
	for f.err == nil {
		if f.look(ctx) != nil {
			return
		}
		if time.Since(f.wrote) >= streamBeat {
			f.write(": alive\n\n")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-f.a.Done:
			return
		}
	}
}

// look sends what is new.
func (f *feed) look(ctx context.Context) error {
	// Before the log is read: what has ended by now is read as ended.
	ended := f.ended.take()
	before := f.after
	if err := f.sendNew(ctx); err != nil {
		return err
	}
	for _, seq := range ended {
		switch {
		case seq > f.after:
			f.ended.add(seq) // Not settled yet.
		case seq <= before:
			if err := f.sendEnded(ctx, seq); err != nil {
				return err
			}
		}
	}
	return f.sendOpen(ctx)
}

// sendNew sends the events since the last look, oldest first.
func (f *feed) sendNew(ctx context.Context) error {
	top, err := f.top(ctx)
	if err != nil || top <= f.after {
		return err
	}
	q := f.query
	q.Cursor, q.Limit = top+1, streamMost
	var found []spool.Record
	gap := int64(0) // below which events were left out
	for began := time.Now(); q.Cursor > f.after+1; {
		page, err := f.a.Store.Records(ctx, q)
		if err != nil {
			return err
		}
		for _, rec := range page.Records {
			if rec.Event.Seq > f.after {
				found = append(found, rec)
			}
		}
		if q.Cursor = page.Next; q.Cursor == 0 {
			break
		}
		if len(found) >= streamMost || time.Since(began) >= streamEvery {
			gap = q.Cursor
			break
		}
	}
	if gap > f.after+1 {
		f.send(StreamGap, 0, Gap{After: f.after, Before: gap})
	}
	served := f.a.served(ctx)
	for _, rec := range slices.Backward(found) {
		f.sendRecord(StreamEvent, rec, served)
		f.watch(rec)
	}
	f.after = top
	return nil
}

// sendEnded sends an event again, of which a delivery has ended.
func (f *feed) sendEnded(ctx context.Context, seq int64) error {
	q := f.query
	q.Seq, q.Limit = seq, 1
	page, err := f.a.Store.Records(ctx, q)
	if err != nil || len(page.Records) == 0 {
		return err // It is not as asked, or has left the log.
	}
	f.sendRecord(StreamEnded, page.Records[0], f.a.served(ctx))
	return nil
}

func (f *feed) sendRecord(kind string, rec spool.Record, served map[spool.RouteKey]bool) {
	e := view(rec, false)
	e.markParked(served)
	id := int64(0)
	if kind == StreamEvent {
		id = e.Number
	}
	f.send(kind, id, e)
}

// send writes one message. id, where it is not 0, is that from which a reader that comes
// again goes on.
func (f *feed) send(kind string, id int64, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		return // No type of ours fails.
	}
	text := "event: " + kind + "\n"
	if id != 0 {
		text += "id: " + strconv.FormatInt(id, 10) + "\n"
	}
	f.write(text + "data: " + string(raw) + "\n\n")
}

func (f *feed) write(text string) {
	if f.err != nil {
		return
	}
	rc := http.NewResponseController(f.w)
	_ = rc.SetWriteDeadline(time.Now().Add(streamStall))
	if _, f.err = f.w.Write([]byte(text)); f.err == nil {
		f.err = rc.Flush()
	}
	f.wrote = time.Now()
}
