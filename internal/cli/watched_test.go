package cli_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// watched tells as soon as the text written to it holds something.
type watched struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wants string
	seen  chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if w.wants != "" && strings.Contains(w.text.String(), w.wants) {
		w.wants = ""
		close(w.seen)
	}
	return len(p), nil
}

func (w *watched) await(t *testing.T, text string) string {
	t.Helper()
	w.mu.Lock()
	w.wants, w.seen = text, make(chan struct{})
	seen := w.seen
	w.mu.Unlock()
	_, _ = w.Write(nil)
	select {
	case <-seen:
	case <-time.After(patience):
		t.Errorf("no %q in the output", text)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
