package deliver

import (
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func TestFifoKeepsOrderAndBytes(t *testing.T) {
	t.Parallel()
	var f fifo
	in, out := 0, 0
	for round := range 50 {
		for range round {
			f.push(&job{Delivery: spool.Delivery{Attempts: in, Event: &spool.Event{Request: spool.Request{Body: []byte("abc")}}}})
			in++
		}
		for range round - round/5 {
			if f.front() == nil {
				break
			}
			if j := f.pop(); j.Attempts != out {
				t.Fatalf("job %d came out instead of %d", j.Attempts, out)
			}
			out++
		}
		if f.n != in-out || f.bytes != 3*f.n {
			t.Fatalf("%d jobs of %d bytes, want %d", f.n, f.bytes, in-out)
		}
	}
	for f.n > 0 {
		f.pop()
	}
	if f.bytes != 0 || f.pop() != nil {
		t.Error("an empty queue holds something")
	}
}
