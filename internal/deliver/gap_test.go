package deliver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// gap is a store where an operator is quicker: what operate holds runs when a
// dispatcher has decided about its hold and the store has not taken it yet.
type gap struct {
	*fakeStore
	operate chan func()
}

func (g *gap) begin() {
	select {
	case operate := <-g.operate:
		operate()
	default:
	}
}

func (g *gap) Hold(ctx context.Context, o spool.Owner, k spool.RouteKey, h spool.Hold) error {
	g.begin()
	return g.fakeStore.Hold(ctx, o, k, h)
}

func (g *gap) Resume(ctx context.Context, o spool.Owner, k spool.RouteKey) error {
	g.begin()
	return g.fakeStore.Resume(ctx, o, k)
}

// What an operator does counts, although a dispatcher writes its own hold, a failed
// probe or a resume right after it.
func TestAnOperatorIsQuickerThanADispatcher(t *testing.T) {
	t.Parallel()
	hold := func(s *fakeStore) error { return s.Hold(context.Background(), "", app, byHand) }
	resume := func(s *fakeStore) error { return s.Resume(context.Background(), "", app) }
	const between = 20 * time.Second // Probes come after 1, 3, 7, 15 and 30 s.
	for name, c := range map[string]struct {
		after   time.Duration // when the operator begins to wait for the dispatcher
		answer  Answer        // the app's from then on
		operate func(*fakeStore) error
		held    bool
	}{
		"a hold before a hold":     {0, refused, hold, true},
		"a hold before a probe":    {between, refused, hold, true},
		"a hold before a resume":   {between, status(200), hold, true},
		"a resume before a probe":  {between, refused, resume, false},
		"a resume before a resume": {between, status(200), resume, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, always(refused))
				g := &gap{r.store, make(chan func(), 1)}
				d := r.start(func(c *Config) { c.Store = g })
				synctest.Wait()
				operated := make(chan int, 1)
				operate := func() {
					must(t, c.operate(r.store))
					r.setAnswer(always(status(200)))
					operated <- r.nTries()
				}
				if c.after == 0 {
					g.operate <- operate
				}
				r.mustSend(d, 3) // As many as hold a route, so that none is under way then.
				if c.after > 0 {
					time.Sleep(c.after)
					r.setAnswer(always(c.answer))
					g.operate <- operate
				}
				tries := <-operated
				time.Sleep(3 * time.Second)
				if !c.held {
					r.wantDelivered(3)
				}
				time.Sleep(time.Hour)
				if h, n := r.store.held(app), r.nTries()-tries; c.held && (h == nil || *h != byHand || n != 0) {
					t.Errorf("hold %+v and %d attempts after the operator's, want that, and none", h, n)
				}
				must(t, r.store.Resume(t.Context(), "", app))
				time.Sleep(3 * time.Second)
				r.end(d)
				r.wantDelivered(3)
			})
		})
	}
}
