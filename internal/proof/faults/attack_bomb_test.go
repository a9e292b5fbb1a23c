package faults

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// bomb is n times 10 MiB of zeros, compressed: many members of gzip in a row are
// one file of it.
func bomb(t *testing.T, n int) []byte {
	t.Helper()
	var one bytes.Buffer
	w, err := gzip.NewWriterLevel(&one, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, io.LimitReader(zeros{}, 10<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.Repeat(one.Bytes(), n)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Compressed bodies are never inflated: not to check a signature, and not later.
func TestFaultCompressedBombs(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{})
	l := r.Start()
	wantOK(t, r, r.Event(event.TypeMessageRead))
	before := peakRSS(t, l.PID)
	small, large := bomb(t, 90), bomb(t, 1024) // 900 MiB in less than 1 MiB, 10 GiB in about 10 MiB
	rounds := rig.Rounds(5, 100)
	for n := range rounds {
		for _, coding := range []string{"gzip", "deflate", "br", "zstd", "GZIP", "gzip, gzip"} {
			encoded := func(q *http.Request) { q.Header.Set("Content-Encoding", coding) }
			key := fmt.Sprintf("bomb %d %s", n, coding)
			for _, c := range []struct {
				name, signature string
				body            []byte
				want            int
			}{
				{"unsigned", "", small, http.StatusUnsupportedMediaType},
				{"signed before it was encoded", rig.Sign([]byte("{}")), small, http.StatusUnsupportedMediaType},
				{"too large", rig.Sign(large), large, http.StatusRequestEntityTooLarge},
			} {
				e := forged(history.Event{ID: key, Signature: c.signature, Body: c.body}, c.name)
				if a := r.SendTo(t.Context(), r.URL, e, encoded); a.Status != c.want && a.Err == nil {
					t.Errorf("%s, %s: answered %d, want %d", coding, c.name, a.Status, c.want)
				}
			}
			e := odd(key, append(bytes.Clone(small), key...))
			if a := r.SendTo(t.Context(), r.URL, e, encoded); a.Result != "quarantined" {
				t.Errorf("%s, signed as it is: answered %d %q", coding, a.Status, a.Result)
			}
		}
		wantOK(t, r, r.Event(event.TypeMessageRead))
	}
	if grown := peakRSS(t, l.PID) - before; grown > 192 {
		t.Errorf("memory grew by %d MiB", grown)
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{53}, "10 GiB of zeros, compressed", rounds)
}
