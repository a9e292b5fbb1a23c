//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
	"github.com/inboxgate/inboxgate/verify"
)

// source is the name that a webhook has if none is given.
const source = "inbox"

// prefill makes a store with n events: waiting for a held route, or, with no
// route named, known ids that nobody waits for. They go in as any event does,
// many at once, so that they share commits.
func (b *bench) prefill(ctx context.Context, n int, route string) (dir string, err error) {
	if dir, err = b.fresh("prefilled"); err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "store")
	store, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		return "", fmt.Errorf("filling a store: %w", err)
	}
	begin := time.Now()
	err = fill(ctx, store, n, route)
	if err := errors.Join(err, store.Close()); err != nil {
		return "", fmt.Errorf("filling a store: %w", err)
	}
	b.say("  %d events prepared in the store in %.0f s", n, time.Since(begin).Seconds())
	return dir, nil
}

// fillers are twice what the engine takes into one commit, so that the next one
// is full when the last is on the disk.
const fillers = 1024

func fill(ctx context.Context, store spool.Store, n int, route string) error {
	var wishes []spool.RouteWish
	if route != "" {
		wishes = []spool.RouteWish{{Route: route}}
		if err := store.Configure(ctx, "", source, []spool.RouteName{{Name: route}}); err != nil {
			return err
		}
		now := time.Now()
		hold := spool.Hold{Since: now, Reason: "filled by the benchmark", NextProbe: now}
		if err := store.Hold(ctx, "", spool.RouteKey{Source: source, Route: route}, hold); err != nil {
			return err
		}
	}
	var next atomic.Int64
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range fillers {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				r, err := store.Accept(ctx, spool.Intake{Event: stand(), Routes: wishes})
				if err == nil && r.Verdict != spool.Accepted {
					err = fmt.Errorf("an event was not accepted but %s", r.Verdict)
				}
				if err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// stand is an event as the webhook would have handed it to the store.
func stand() *spool.Event {
	now := time.Now()
	id := fmt.Sprintf("evt_%016x", rand.Uint64())
	body := fmt.Appendf(nil, `{"id":%q,"type":%q,"created_at":%q,"data":{"message_id":"msg_1234567890","to":"+15551234567",`+
		`"failed_at":%[3]q,"error_code":"recipient_unreachable","error_message":"Recipient has not installed the Inbox app"}}`,
		id, event.TypeMessageFailed, now.UTC().Format(time.RFC3339))
	digest := sha256.Sum256(body)
	return &spool.Event{
		Source: source, ID: id, Type: event.TypeMessageFailed, CreatedAt: now.Truncate(time.Second), Digest: digest,
		Request: spool.Request{
			Method: http.MethodPost, URI: path, Host: "127.0.0.1", RemoteAddr: "127.0.0.1:40000", Scheme: "http",
			Header: http.Header{
				"Content-Type": {"application/json"}, "User-Agent": {"Inbox-Webhooks/1.0"},
				verify.Header: {fmt.Sprintf("sha256=%x", digest)},
			},
			Body: body,
		},
	}
}
