package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/testapp"
	"github.com/inboxgate/inboxgate/verify"
)

// receiver is an app behind inboxgate, as small as one can be: it checks the
// signature once more and answers 200. It can be stopped and started again.
type receiver struct {
	name     string
	addr     string // set by the first start, and kept
	verifier *verify.Verifier
	note     func(arrival) // called for each request

	server testapp.Server
}

// arrival is one request that a receiver got.
type arrival struct {
	receiver string
	id, typ  string // of the event, empty if the body is none
	at       time.Time
	body     []byte
	signed   bool // with the webhook's secret
}

// start listens, on the same address as before.
func (r *receiver) start() error {
	r.server.Handler = http.HandlerFunc(r.receive)
	if err := r.server.Start(); err != nil {
		return fmt.Errorf("starting the receiver %s: %w", r.name, err)
	}
	r.addr = r.server.Addr
	return nil
}

// stop closes the port. Requests that have begun are answered first, so that
// whatever arrived also counts as delivered.
func (r *receiver) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	<-r.server.Leave(ctx) //nolint:errcheck // The ledger reports what was cut as missing.
	r.server.Wait()
}

// receive records a request and answers it.
func (r *receiver) receive(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, verify.DefaultMaxBody))
	if err != nil {
		http.Error(w, "the body did not come", http.StatusBadRequest)
		return
	}
	a := arrival{receiver: r.name, at: time.Now(), body: body}
	_, err = r.verifier.Verify(body, req.Header.Values(verify.Header)...)
	a.signed = err == nil
	if e, err := event.Parse(body); err == nil {
		a.id, a.typ = e.ID, e.Type
	}
	r.note(a)
	if !a.signed {
		http.Error(w, "no valid signature", http.StatusUnauthorized)
		return
	}
	_, _ = io.WriteString(w, "OK")
}
