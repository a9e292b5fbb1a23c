package dashboard

import (
	"context"
	"testing"
	"time"
)

// An answer that was asked for before a change, and comes after it, is shown to nobody
// who asks later.
func TestAnswerFromBeforeAChangeIsNotKept(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan int)
	g := newGlance(time.Now, func(context.Context) (int, error) {
		asked <- struct{}{}
		return <-answer, nil
	})
	first := make(chan int)
	go func() {
		v, _ := g.get(t.Context())
		first <- v
	}()
	<-asked
	g.forget()
	answer <- 1
	if v := <-first; v != 1 {
		t.Errorf("the first got %d", v)
	}
	go func() {
		<-asked
		answer <- 2
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if v, err := g.getWithin(ctx, time.Hour); v != 2 || err != nil {
		t.Errorf("after the change: %d, %v", v, err)
	}
}
