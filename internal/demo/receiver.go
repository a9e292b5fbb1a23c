package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

// receiver is an app behind inboxgate, as small as one can be: it checks the
// signature once more and answers 200. It can be stopped and started again.
type receiver struct {
	name     string
	addr     string // set by the first start, and kept
	verifier *verify.Verifier
	note     func(arrival) // called for each request

	server *http.Server  // nil while it is stopped
	served chan struct{} // closed when server has ended
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
	addr := r.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("starting the receiver %s: %w", r.name, err)
	}
	r.addr = l.Addr().String()
	server := &http.Server{
		Handler:           http.HandlerFunc(r.receive),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			_ = l.Close() // The ledger reports what it misses now.
		}
	}()
	r.server, r.served = server, served
	return nil
}

// stop closes the port. Requests that have begun are answered first, so that
// whatever arrived also counts as delivered.
func (r *receiver) stop() {
	if r.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if r.server.Shutdown(ctx) != nil {
		_ = r.server.Close()
	}
	<-r.served
	r.server = nil
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
