package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/verify"
)

// Event makes an event that nobody has seen, signed and for the routes that take
// its type.
func (r *Rig) Event(typ string) history.Event {
	r.t.Helper()
	e, err := r.Fresh(typ)
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

// Fresh is Event for a goroutine that is not the test's.
func (r *Rig) Fresh(typ string) (history.Event, error) {
	r.ids.Lock()
	defer r.ids.Unlock()
	ev, err := event.Sample(typ, time.Now(), r.ids.from)
	if err != nil {
		return history.Event{}, fmt.Errorf("making event: %w", err)
	}
	body, err := ev.Marshal()
	if err != nil {
		return history.Event{}, fmt.Errorf("making event: %w", err)
	}
	return history.Event{
		ID: ev.ID, Type: typ, Body: body, Routes: r.routes(typ), Signature: Sign(body),
	}, nil
}

// Sign signs a body with Secret.
func Sign(body []byte) string { return verify.Sign([]byte(Secret), body) }

// Send sends an event once to the present life and notes the answer. Only an
// answer that was read to its end is one.
func (r *Rig) Send(ctx context.Context, e history.Event) history.Answer {
	return r.SendTo(ctx, r.URL, e, nil)
}

// Persist sends an event as the platform does, again while nothing answers, at
// most 200 times. It is for a single event after a reload, which cuts idle
// connections: each of them has to be met.
func (r *Rig) Persist(ctx context.Context, e history.Event) (a history.Answer) {
	for range 200 {
		if a = r.Send(ctx, e); a.Status != 0 {
			return a
		}
	}
	return a
}

// SendTo sends an event to another address, or with other headers.
func (r *Rig) SendTo(ctx context.Context, url string, e history.Event, change func(*http.Request)) history.Answer {
	life := r.number()
	r.Log.Sending(e, life)
	key := e.Key
	if key == "" {
		key = e.ID
	}
	a := r.post(ctx, url, e, change)
	a.Life = life
	r.Log.Answered(key, a)
	return a
}

func (r *Rig) post(ctx context.Context, url string, e history.Event, change func(*http.Request)) (a history.Answer) {
	a.Begun = time.Now()
	defer func() { a.At = time.Now() }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(e.Body))
	if err != nil {
		a.Err = err
		return a
	}
	req.Header.Set("Content-Type", "application/json")
	if e.Signature != "" {
		req.Header.Set(verify.Header, e.Signature)
	}
	if change != nil {
		change(req)
	}
	res, err := r.client.Do(req)
	if err != nil {
		a.Err = err
		return a
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		a.Err = err
	case res.StatusCode == http.StatusOK && string(text) != "OK":
		a.Err = errors.New("a 200 with another body: " + strconv.Quote(string(text)))
		r.Log.Fault("%s: %v", e.ID, a.Err)
	default:
		a.Status = res.StatusCode
		a.Result, a.Reason = res.Header.Get("X-Inbox-Result"), res.Header.Get("X-Inbox-Reason")
	}
	return a
}

// SendAll sends events over many connections at once and returns the answers in
// their order.
func (r *Rig) SendAll(ctx context.Context, events []history.Event) []history.Answer {
	return r.each(events, func(e history.Event) history.Answer { return r.Send(ctx, e) })
}

func (r *Rig) each(events []history.Event, send func(history.Event) history.Answer) []history.Answer {
	answers := make([]history.Answer, len(events))
	next := make(chan int)
	var clients sync.WaitGroup
	for range min(32, len(events)) {
		clients.Go(func() {
			for i := range next {
				answers[i] = send(events[i])
			}
		})
	}
	for i := range events {
		next <- i
	}
	close(next)
	clients.Wait()
	return answers
}

// Load begins to send fresh events of all four types at Options.Rate until stop
// is closed, whether or not answers come, and then waits for the last. At most
// clients wait for an answer at once; 0 means 512.
func (r *Rig) Load(ctx context.Context, stop <-chan struct{}, clients int) {
	if clients == 0 {
		clients = 512
	}
	var sends sync.WaitGroup
	defer sends.Wait()
	free := make(chan struct{}, clients)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	types := event.Types()
	start := time.Now()
	for n := 0; ; {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for due := int(time.Since(start) * time.Duration(r.o.Rate) / time.Second); n < due; n++ {
			select {
			case free <- struct{}{}:
			case <-stop:
				return
			}
			e, err := r.Fresh(types[n%len(types)])
			if err != nil {
				r.Log.Fault("%v", err)
				return
			}
			sends.Go(func() {
				r.Send(ctx, e)
				<-free
			})
		}
	}
}

// Background runs Load until the returned function is called, which waits for
// its end.
func (r *Rig) Background(clients int) (stop func()) {
	closing, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		r.Load(context.Background(), closing, clients)
	}()
	stop = sync.OnceFunc(func() {
		close(closing)
		<-ended
	})
	r.t.Cleanup(stop)
	return stop
}

// number is the present life's, or that of the last one.
func (r *Rig) number() int { return int(r.last.Load()) }
