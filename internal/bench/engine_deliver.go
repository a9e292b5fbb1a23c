//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// deliver has a dispatcher deliver what is accepted to an app that answers at once.
func (e *engine) deliver() (closeStore func() error, err error) {
	app := deliver.UpstreamFunc(func(context.Context, deliver.Attempt) deliver.Answer {
		e.settled.Add(1) // Nearly: the store is asked when all have come.
		return deliver.Answer{Reach: deliver.Answered, Status: http.StatusOK}
	})
	d, err := deliver.New(deliver.Config{
		Store: e.store, Owner: owner, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Routes: []deliver.Route{{Key: routeKey, Upstream: app, MaxInFlight: goalConns}},
	})
	if err != nil {
		return nil, errors.Join(err, e.store.Close())
	}
	d.Start()
	e.dispatcher = d
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return errors.Join(d.Drain(ctx), e.store.Close())
	}, nil
}

var routeKey = spool.RouteKey{Source: source, Route: engineRoute}

// hand accepts one event as the handler of a webhook does.
func (e *engine) hand(ctx context.Context, ev *spool.Event) error {
	wish := spool.RouteWish{Route: engineRoute, Start: e.dispatcher.Reserve(routeKey)}
	if e.keys > 0 {
		wish.Key = "msg_" + strconv.Itoa(rand.IntN(e.keys))
	}
	asked := time.Now()
	receipt, err := e.store.Accept(ctx, spool.Intake{
		Event: ev, Routes: []spool.RouteWish{wish}, Owner: e.dispatcher.Owner(), LeaseFor: e.dispatcher.LeaseFor(),
	})
	for _, d := range receipt.Running {
		e.dispatcher.Offer(d, asked)
	}
	if wish.Start && len(receipt.Running) == 0 {
		e.dispatcher.Unreserve(routeKey)
	}
	if err == nil && receipt.Verdict != spool.Accepted {
		err = fmt.Errorf("an event was %s", receipt.Verdict)
	}
	if err == nil {
		e.accepted.Add(1)
	}
	return err
}

// allSettled reports whether all that was accepted is settled.
func (e *engine) allSettled(ctx context.Context) bool {
	if e.dispatcher == nil {
		return e.settled.Load() >= e.accepted.Load()
	}
	// Another process delivers some of what this one has accepted.
	states, err := e.store.Routes(ctx)
	for _, st := range states {
		if st.Waiting > 0 || st.Running > 0 {
			return false
		}
	}
	return err == nil
}
