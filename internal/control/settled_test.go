package control_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// asked is a store that notes what it was asked for.
type asked struct {
	spool.Store
	queries chan spool.Query
}

func (a asked) Records(ctx context.Context, q spool.Query) (spool.Page, error) {
	a.queries <- q
	return a.Store.Records(ctx, q)
}

// Who follows the log asks for what is settled, and gets it from the store: else a lower
// number that another inboxgate is storing would be missed.
func TestSettledIsAskedOfTheStore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	store := asked{r.store, make(chan spool.Query, 1)}
	r.server.Close()
	r.server = httptest.NewServer(control.New(control.Options{Store: store, Configured: func() map[spool.RouteKey]bool { return nil }}))
	t.Cleanup(r.server.Close)
	for _, settled := range []bool{true, false} {
		if _, err := r.client().Events(t.Context(), control.List{Settled: settled}); err != nil {
			t.Fatal(err)
		}
		if q := <-store.queries; q.Settled != settled {
			t.Errorf("asked for settled %v, the store for %v", settled, q.Settled)
		}
	}
}
