//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// tally is what the app behind a gate or proxy has seen.
type tally struct {
	Count int64 `json:"count"`
	// First and Last are when, in nanoseconds of Unix time.
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// runApp is the app, in a process of its own: it reads each event, answers 200
// and counts. It ends when it is killed.
func runApp(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("app needs an address")
	}
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return fmt.Errorf("starting app: %w", err)
	}
	var count, first, last atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "the body did not come", http.StatusBadRequest)
			return
		}
		now := time.Now().UnixNano()
		first.CompareAndSwap(0, now)
		last.Store(now)
		count.Add(1)
		_, _ = io.WriteString(w, "OK")
	})
	mux.HandleFunc("GET /tally", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(tally{count.Load(), first.Load(), last.Load()})
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(l)
}

// app is that process, seen from outside.
type app struct {
	*process
	addr string
}

func (a *app) tally(ctx context.Context) (t tally, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.addr+"/tally", nil)
	if err != nil {
		return t, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return t, fmt.Errorf("asking the app: %w", err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&t); err != nil {
		return t, fmt.Errorf("asking the app: %w", err)
	}
	return t, nil
}

// await returns once the app has seen n events, or says how many it saw.
func (a *app) await(ctx context.Context, n int64, patience time.Duration) (tally, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		t, err := a.tally(ctx)
		if err == nil && t.Count >= n {
			return t, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return t, fmt.Errorf("the app saw %d of %d events within %s", t.Count, n, patience)
		}
	}
}
