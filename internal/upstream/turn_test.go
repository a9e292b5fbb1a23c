package upstream

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/deliver"
)

// attempt plays one attempt: broken addresses cannot be reached, the others answer. It
// returns the addresses that were asked, in their order.
func attempt(turn *Turn, addresses []string, broken ...string) (asked []string, answer deliver.Answer) {
	var tour Tour
	ctx := context.Background()
	for {
		y, run := tour.Begin(ctx, 0)
		at := addresses[turn.Choose(addresses, Of(run))]
		asked = append(asked, at)
		answer = deliver.Answer{Reach: deliver.Answered, Status: 200}
		if slices.Contains(broken, at) {
			answer = deliver.Answer{Reach: deliver.Unreached, Err: errors.New("refused")}
		}
		y.stopTimers()
		again, _ := tour.Next(ctx, y, answer)
		y.End()
		if !again {
			return asked, tour.Sum(answer)
		}
	}
}

func TestAddressesAreAskedInTurn(t *testing.T) {
	t.Parallel()
	var turn Turn
	all := []string{"a", "b", "c"}
	count := make(map[string]int)
	for range 30 {
		asked, _ := attempt(&turn, all)
		if len(asked) != 1 {
			t.Fatalf("%v were asked, and the first answered", asked)
		}
		count[asked[0]]++
	}
	if count["a"] != 10 || count["b"] != 10 || count["c"] != 10 {
		t.Errorf("asked were %v", count)
	}
}

// A broken address is left out for 1 s at first, then longer; then one attempt asks it
// again. When it answers, it is asked in its turn as before.
func TestBrokenAddressIsAskedAgainLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var turn Turn
		all := []string{"a", "b"}
		times := func(n int, broken ...string) (b int) {
			for range n {
				asked, answer := attempt(&turn, all, broken...)
				if answer.Status != 200 {
					t.Fatalf("%v were asked: %v", asked, answer.Err)
				}
				if slices.Contains(asked, "b") {
					b++
				}
			}
			return b
		}
		if n := times(10, "b"); n != 1 {
			t.Errorf("the broken one was asked %d times at first, want once", n)
		}
		time.Sleep(1100 * time.Millisecond)
		if n := times(10, "b"); n != 1 {
			t.Errorf("after a second it was asked %d times, want once", n)
		}
		time.Sleep(1100 * time.Millisecond)
		if n := times(10, "b"); n != 0 {
			t.Errorf("within the two seconds after that it was asked %d times", n)
		}
		time.Sleep(time.Second)
		if n := times(10); n < 5 {
			t.Errorf("when it is well it was asked %d times of 10", n)
		}
	})
}

// Where no address is reached each is asked once, and the answer names them all.
func TestNoAddressIsReached(t *testing.T) {
	t.Parallel()
	var turn Turn
	asked, answer := attempt(&turn, []string{"a:1", "b:2"}, "a:1", "b:2")
	slices.Sort(asked)
	if !slices.Equal(asked, []string{"a:1", "b:2"}) || answer.Reach != deliver.Unreached {
		t.Errorf("asked were %v, reach %d", asked, answer.Reach)
	}
	for _, want := range []string{"a:1: refused", "b:2: refused"} {
		if !strings.Contains(answer.Err.Error(), want) {
			t.Errorf("%q is not in %v", want, answer.Err)
		}
	}
}
