package storage

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/minutes"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// queues is a store with so much waiting in its routes.
type queues struct {
	spool.Store
	waiting map[spool.RouteKey]int64
	asked   int
	down    error
}

func (q *queues) Stats() spool.Stats { return spool.Stats{Unavailable: q.down} }

func (q *queues) Routes(context.Context) (all []spool.RouteState, _ error) {
	q.asked++
	for k, n := range q.waiting {
		all = append(all, spool.RouteState{Key: k, Waiting: n})
	}
	return all, nil
}

// What waits is noted three times a minute, of the routes that this process delivers to,
// and not while the store is down.
func TestSample(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hour := minutes.New()
		route := hour.Route("inbox", "app")
		st := &queues{waiting: map[spool.RouteKey]int64{{Source: "inbox", Route: "app"}: 7, {Source: "inbox", Route: "another's"}: 3}}
		s := &Storage{Store: st}
		for range 60 {
			s.Sample(hour)
			time.Sleep(time.Second)
		}
		if st.asked != 3 {
			t.Errorf("the store was asked %d times in a minute", st.asked)
		}
		st.down = errors.New("down")
		for range 60 {
			s.Sample(hour)
			time.Sleep(time.Second)
		}
		if got := route.Read(hour.View()).Waiting; !slices.Equal(got, []int64{7, -1, -1}) || st.asked != 3 {
			t.Errorf("waiting %v after %d questions, want 7 and then nothing", got, st.asked)
		}
		if hour.Has("inbox", "another's") {
			t.Error("a route of another process has counters here")
		}
	})
}
