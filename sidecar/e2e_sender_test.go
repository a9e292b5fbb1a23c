package main

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

// e2eRate is how many events the sender begins to send in a second.
const e2eRate = 500

// e2eSender plays the platform towards one process.
type e2eSender struct {
	url     string
	round   int
	ledger  *e2eLedger
	client  *http.Client
	random  io.Reader // of the events' ids
	refused *atomic.Int64
	sends   sync.WaitGroup
	took    chan struct{} // told of a 200
}

func newE2ESender(url string, round int, l *e2eLedger, random io.Reader, refused *atomic.Int64) *e2eSender {
	return &e2eSender{
		url: url, round: round, ledger: l, random: random, refused: refused,
		took: make(chan struct{}, 1),
		client: &http.Client{
			Timeout:   10 * time.Second, // as the platform
			Transport: &http.Transport{MaxIdleConnsPerHost: e2eRate},
		},
	}
}

// fresh makes an event that nobody has seen.
func (s *e2eSender) fresh(typ string) (*e2eSent, error) {
	ev, err := event.Sample(typ, time.Now(), s.random)
	if err != nil {
		return nil, err
	}
	body, err := ev.Marshal()
	if err != nil {
		return nil, err
	}
	e := &e2eSent{id: ev.ID, typ: typ, body: body, signature: verify.Sign([]byte(newSecret), body), round: s.round}
	s.ledger.add(e)
	return e, nil
}

// send sends an event once. Only a 200 that was read to its end acknowledges
// it; without an answer nobody can say what became of it, which is no fault.
func (s *e2eSender) send(ctx context.Context, e *e2eSent, results ...string) (answered bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(e.body))
	if err != nil {
		s.ledger.fault("%s: %v", e.id, err)
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(verify.Header, e.signature)
	res, err := s.client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return false
	}
	result := res.Header.Get("X-Inbox-Result")
	switch {
	case res.StatusCode == http.StatusServiceUnavailable:
		s.refused.Add(1)
		return false
	case res.StatusCode != http.StatusOK || string(text) != "OK" || !slices.Contains(results, result):
		s.ledger.fault("%s of round %d, sent in round %d: answered %d %q %q, want 200 and one of %q",
			e.id, e.round, s.round, res.StatusCode, result, text, results)
	default:
		s.ledger.ack(e, s.round)
		select {
		case s.took <- struct{}{}:
		default:
		}
	}
	return true
}

// awaitAnswer returns right after the next 200, or after a second without one.
func (s *e2eSender) awaitAnswer() {
	select {
	case <-s.took: // An old one.
	default:
	}
	select {
	case <-s.took:
	case <-time.After(time.Second):
	}
}

// sendAll sends events on many connections and requires an answer to each: the
// process lives.
func (s *e2eSender) sendAll(ctx context.Context, events []*e2eSent, results ...string) {
	next := make(chan *e2eSent)
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for e := range next {
				if !s.send(ctx, e, results...) {
					s.ledger.fault("%s, sent again in round %d: no answer, or 503", e.id, s.round)
				}
			}
		})
	}
	for _, e := range events {
		next <- e
	}
	close(next)
	workers.Wait()
}

// load begins to send fresh events at e2eRate until stop is closed, whether or
// not answers come, and then waits for the last.
func (s *e2eSender) load(ctx context.Context, stop <-chan struct{}, random *rand.Rand) {
	defer s.sends.Wait()
	types := []string{event.TypeMessageDelivered, event.TypeMessageRead, event.TypeMessageFailed, event.TypeMessageAction}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for n := 0; ; {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for ; n < int(time.Since(start)*e2eRate/time.Second); n++ {
			e, err := s.fresh(types[random.IntN(len(types))])
			if err != nil {
				s.ledger.fault("making an event: %v", err)
				return
			}
			s.sends.Go(func() { s.send(ctx, e, "accepted") })
		}
	}
}

// sentinel sends one event that both routes take, and returns once it has come
// to both apps: by then all that waited before it has been on its way.
func (s *e2eSender) sentinel(t *testing.T) {
	t.Helper()
	e, err := s.fresh(event.TypeMessageFailed)
	if err != nil {
		t.Fatal(err)
	}
	if !s.send(t.Context(), e, "accepted") {
		t.Fatalf("%s was not taken", e.id)
	}
	s.ledger.awaitAll(t)
}
