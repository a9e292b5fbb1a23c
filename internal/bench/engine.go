//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/postgres"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
	"github.com/inboxgate/inboxgate/verify"
)

// The kinds of an engine process.
const (
	kindEmbedded  = "embedded"
	kindPostgres  = "postgres"
	kindUnbatched = "unbatched"
)

// engineRoute is the one route of an engine process.
const engineRoute = "app"

// runEngine is a process that has a store open and does with it what it is told
// to, without HTTP in between. It ends on SIGTERM.
func runEngine(args []string) (err error) {
	f := flag.NewFlagSet("engine", flag.ContinueOnError)
	kind := f.String("kind", kindPostgres, kindEmbedded+", "+kindPostgres+" or "+kindUnbatched)
	at := f.String("at", "", "the directory of the embedded store, or the database's URL")
	addr := f.String("addr", "", "where it listens for what to do")
	keys := f.Int("keys", -1, "delivers to an app that answers at once, in the order of so many keys; 0 is without order, below that nothing is delivered")
	batches := f.Int("batches", 1, "batches that may be on their way at once")
	profile := f.String("profile", "", "writes a CPU profile to this file")
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	e := &engine{keys: *keys}
	closeStore, err := e.open(ctx, *kind, *at, *batches)
	if err != nil {
		return fmt.Errorf("opening the engine: %w", err)
	}
	if *profile != "" {
		out, err := os.Create(*profile)
		if err != nil {
			return fmt.Errorf("profiling: %w", err)
		}
		if err := pprof.StartCPUProfile(out); err != nil {
			return fmt.Errorf("profiling: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /run", e.serveRun)
	mux.HandleFunc("POST /settled", e.serveSettled)
	server := &http.Server{Addr: *addr, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return closeStore()
}

// engine is the store of such a process.
type engine struct {
	store spool.Store // nil for the form that does not batch
	one   *oneByOne
	// accepted and settled count events; the second lags where settling does.
	accepted, settled atomic.Int64
	// settling are the deliveries that are to be settled.
	settling chan spool.Lease
	// keys orders what is delivered, where that is not below 0: see -keys.
	keys       int
	dispatcher *deliver.Dispatcher // nil where nothing is delivered
}

func (e *engine) open(ctx context.Context, kind, at string, batches int) (closeStore func() error, err error) {
	switch kind {
	case kindUnbatched:
		e.one, err = openOneByOne(ctx, at, goalConns)
		return func() error { return e.one.close() }, err
	case kindEmbedded:
		e.store, err = sqlite.Open(at, sqlite.Options{})
	case kindPostgres:
		e.store, err = postgres.Open(ctx, at, postgres.Options{Batches: batches})
	default:
		return nil, fmt.Errorf("no kind %q", kind)
	}
	if err != nil {
		return nil, err
	}
	if err := e.store.Configure(ctx, owner, source, []spool.RouteName{{Name: engineRoute}}); err != nil {
		return nil, errors.Join(err, e.store.Close())
	}
	if e.keys >= 0 {
		return e.deliver()
	}
	e.settling = make(chan spool.Lease, 1<<16)
	for range goalConns {
		go e.settle()
	}
	return e.store.Close, nil
}

const (
	owner = spool.Owner("bench")
	// leaseFor is longer than any measurement, so that what is accepted and not
	// settled stays as it is.
	leaseFor = time.Hour
)

// settle settles what was accepted as running, as if the app had answered at once.
func (e *engine) settle() {
	for l := range e.settling {
		now := time.Now()
		err := e.store.Settle(context.Background(), spool.Settlement{
			Lease: l, State: spool.Delivered, Attempt: spool.Attempt{N: 1, Start: now, Took: time.Millisecond, Status: http.StatusOK},
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, "settling:", err)
			continue
		}
		e.settled.Add(1)
	}
}

// ran is what a run of an engine process gave.
type ran struct {
	Times    []time.Duration `json:"times"` // sorted
	Took     time.Duration   `json:"took"`
	Accepted int64           `json:"accepted"` // since the process began
	Why      string          `json:"why,omitempty"`
}

// serveRun accepts new events for a time, by some callers at once.
func (e *engine) serveRun(w http.ResponseWriter, r *http.Request) {
	length, err1 := time.ParseDuration(r.FormValue("length"))
	callers, err2 := strconv.Atoi(r.FormValue("callers"))
	if err := errors.Join(err1, err2); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	life := r.FormValue("life") != ""
	times := make([][]time.Duration, callers)
	var why atomic.Value
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range callers {
		wg.Go(func() {
			var m maker
			for from := begin; from.Sub(begin) < length; {
				from = time.Now()
				if err := e.accept(r.Context(), i, m.next(), life); err != nil {
					why.CompareAndSwap(nil, err.Error())
					return
				}
				times[i] = append(times[i], time.Since(from))
			}
		})
	}
	wg.Wait()
	out := ran{Took: time.Since(begin), Times: slices.Concat(times...), Accepted: e.accepted.Load()}
	slices.Sort(out.Times)
	out.Why, _ = why.Load().(string)
	_ = json.NewEncoder(w).Encode(out)
}

// serveSettled answers once all that was accepted is settled.
func (e *engine) serveSettled(w http.ResponseWriter, r *http.Request) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !e.allSettled(r.Context()) {
		select {
		case <-tick.C:
		case <-r.Context().Done():
			http.Error(w, "not all was settled", http.StatusGatewayTimeout)
			return
		}
	}
	_, _ = w.Write([]byte("{}"))
}

// accept stores one event with one delivery, which is born running.
func (e *engine) accept(ctx context.Context, caller int, ev *spool.Event, life bool) error {
	if e.one != nil {
		if err := e.one.accept(ctx, caller, ev); err != nil {
			return err
		}
		e.accepted.Add(1)
		return nil
	}
	if e.dispatcher != nil {
		return e.hand(ctx, ev)
	}
	receipt, err := e.store.Accept(ctx, spool.Intake{Event: ev, Routes: wishes, Owner: owner, LeaseFor: leaseFor})
	if err != nil {
		return err
	}
	if receipt.Verdict != spool.Accepted || len(receipt.Running) != 1 {
		return fmt.Errorf("an event was %s with %d deliveries running", receipt.Verdict, len(receipt.Running))
	}
	e.accepted.Add(1)
	if life {
		e.settling <- receipt.Running[0].Lease
	}
	return nil
}

var wishes = []spool.RouteWish{{Route: engineRoute, Start: true}}

// maker makes events with random ids, at less cost than a request would have.
type maker struct{ at time.Time }

// header is the same for all events.
var header = http.Header{
	"Content-Type": {"application/json"}, "User-Agent": {"Inbox-Webhooks/1.0"},
	verify.Header: {"sha256=" + hex.EncodeToString(make([]byte, sha256.Size))},
}

func (m *maker) next() *spool.Event {
	now := time.Now()
	if now.Sub(m.at) > time.Second {
		m.at = now.Truncate(time.Second)
	}
	id := "evt_" + strconv.FormatUint(rand.Uint64()|1<<63, 16)
	body := make([]byte, 0, goalBody)
	body = append(append(append(body, `{"id":"`...), id...), `","type":"message.delivered","data":{"device_id":"dev_`...)
	for len(body) < goalBody-len(bodyEnd) {
		body = append(body, 'x')
	}
	body = append(body, bodyEnd...)
	return &spool.Event{
		Source: source, ID: id, Type: event.TypeMessageDelivered, CreatedAt: m.at, Received: now, Digest: sha256.Sum256(body),
		Request: spool.Request{Method: http.MethodPost, URI: path, Host: "127.0.0.1", RemoteAddr: "127.0.0.1:40000", Scheme: "http", Header: header, Body: body},
	}
}
