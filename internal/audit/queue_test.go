package audit

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
)

// A handler that takes its time holds up no caller; what waits for it is bounded, comes
// in its order, and what is dropped is told.
func TestQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var got []int
		slow := make(chan struct{})
		q := NewQueue(func(_ string, data map[string]any) {
			<-slow
			got = append(got, data["n"].(int))
		}, slog.New(slog.NewTextHandler(&log, nil)))
		q.Add("event", map[string]any{"n": 0})
		synctest.Wait() // The first is with the handler.
		for n := range maxWaiting + 2 {
			q.Add("event", map[string]any{"n": n + 1})
		}
		close(slow)
		synctest.Wait()
		if len(got) != maxWaiting+1 {
			t.Fatalf("%d events were handed on, want %d", len(got), maxWaiting+1)
		}
		for i, n := range got {
			if n != i {
				t.Fatalf("event %d came as number %d", n, i)
			}
		}
		if !strings.Contains(log.String(), "dropped=2") {
			t.Errorf("the log is %q, want two events told as dropped", log.String())
		}
	})
}
