package gate

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Event is what the platform sends.
type Event struct {
	ID, Type  string
	CreatedAt time.Time // Zero for now.
	Data      map[string]any
	// Body is sent as it is instead of all that, if it is not empty.
	Body []byte
}

// JSON returns the event's body.
func (e Event) JSON() []byte {
	if len(e.Body) > 0 {
		return e.Body
	}
	if e.CreatedAt.IsZero() {
		e.CreatedAt = time.Now()
	}
	data := e.Data
	if data == nil {
		data = map[string]any{"message_id": "msg_" + e.ID}
	}
	text, err := json.Marshal(map[string]any{
		"id": e.ID, "type": e.Type, "created_at": e.CreatedAt.UTC().Format(time.RFC3339Nano), "data": data,
	})
	if err != nil {
		panic(err) // A test has put into Data what JSON has not.
	}
	return text
}

// Events returns n events of a type, whose ids begin alike.
func Events(prefix, kind string, n int) []Event {
	all := make([]Event, n)
	for i := range all {
		all[i] = Event{ID: fmt.Sprintf("%s_%05d", prefix, i), Type: kind}
	}
	return all
}

// IDs returns the ids of events.
func IDs(events []Event) []string {
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	return ids
}

// senders is how many events are on their way at once.
const senders = 32

// Send sends signed events, and returns how they were answered: X-Inbox-Result and how
// many of it. Any answer but 200 fails the test.
func (g *Gate) Send(t testing.TB, events ...Event) map[string]int {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: senders}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: Patience}
	var mu sync.Mutex
	results, failed := map[string]int{}, []error(nil)
	next := make(chan Event)
	var all sync.WaitGroup
	for range min(senders, len(events)) {
		all.Go(func() {
			for e := range next {
				result, err := g.post(t.Context(), client, e.JSON())
				mu.Lock()
				if results[result]++; err != nil {
					failed = append(failed, err)
				}
				mu.Unlock()
			}
		})
	}
	for _, e := range events {
		next <- e
	}
	close(next)
	all.Wait()
	if len(failed) > 0 {
		t.Fatalf("%d of %d events were not taken: %v", len(failed), len(events), failed[0])
	}
	return results
}

func (g *Gate) post(ctx context.Context, client *http.Client, body []byte) (result string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.Webhook, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("making a request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Inbox-Signature", Sign(g.Secret, body))
	answer, err := client.Do(r)
	if err != nil {
		return "", fmt.Errorf("sending an event: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", fmt.Errorf("reading the answer to an event: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("sending an event: %s %s", answer.Status, text)
	}
	return answer.Header.Get("X-Inbox-Result"), nil
}

// Sign returns the signature of a body.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}
