//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/event"
)

const (
	pagesRate = 500 // new events a second meanwhile
	// pagesPause lies between two requests of the readers: as if 40 people had a page
	// open that is refreshed every 2 s.
	pagesPause = 50 * time.Millisecond
	pageRows   = 50
)

// reading is one address that a reader asks for, again and again.
type reading struct {
	name, address string
	fragment      bool // only what is refreshed
	rows          int  // how many events the answer must have
}

// readings are what is read by turns: what a browser refreshes, and whole pages.
var readings = []reading{
	{name: "a page of 50 events", address: "/events", rows: pageRows},
	{name: "its refresh", address: "/events", fragment: true, rows: pageRows},
	{name: "a page of 50 events that wait", address: "/events?state=waiting", rows: pageRows},
	{name: "the refresh of the overview", address: "/", fragment: true},
}

// pagesAmongMany is row "pages": a million events in the store, and what pages cost the events
// that come meanwhile.
func pagesAmongMany(ctx context.Context, b *bench) (out outcome, err error) {
	waiting := b.scaled(1_000_000)
	store, err := b.prefill(ctx, waiting, "archive")
	if err != nil {
		return out, err
	}
	defer os.RemoveAll(filepath.Dir(store))
	alone, beside := &series{Name: "nobody reads", Rate: pagesRate}, &series{Name: "pages are read", Rate: pagesRate}
	read := make([]*series, len(readings))
	for i, r := range readings {
		read[i] = &series{Name: r.name}
	}
	yard := func(ctx context.Context) (figures, error) { return b.besidePages(ctx, store, nil) }
	ours := func(ctx context.Context) (figures, error) { return b.besidePages(ctx, store, read) }
	if err := b.duel(ctx, yard, ours, alone, beside); err != nil {
		return out, err
	}
	out.Series = append([]*series{alone, beside}, read...)
	what := fmt.Sprintf("new event at %d/s beside %.0f readings a second of a store of %d", pagesRate, 1/pagesPause.Seconds(), waiting)
	unmoved := goal{"≤ that + 1 ms", func(c comparison) float64 { return ratio(c.Yard+1, c.Ours) }, false}
	out.Comparisons = []comparison{compare(what, p50, alone, beside, goal{}), compare(what, p99, alone, beside, unmoved)}
	limit := &series{Name: "a fixed goal"}
	for i, r := range readings {
		out.Comparisons = append(out.Comparisons,
			compare(r.name, p50, limit, read[i], goal{}), compare(r.name, p99, limit, read[i], below(50, "≤ 50 ms")))
	}
	return out, nil
}

// besidePages starts a gate with a held route, one whose app is there, and the pages. It
// measures new events of the latter while the pages are read, unless read is nil.
func (b *bench) besidePages(ctx context.Context, store string, read []*series) (f figures, err error) {
	l := b.prepareLoad(goalBody, event.TypeMessageDelivered)
	addr, err := freeAddress()
	if err != nil {
		return f, err
	}
	gone, err := freeAddress()
	if err != nil {
		return f, err
	}
	shown, err := freeAddress()
	if err != nil {
		return f, err
	}
	a, err := b.app(ctx, addr, b.both())
	if err != nil {
		return f, err
	}
	defer a.stop()
	routes := fmt.Sprintf("\t\ton %s %s {\n\t\t\tname archive\n\t\t}\n\t\ton %s %s {\n\t\t\tname app\n\t\t}",
		event.TypeMessageFailed, gone, event.TypeMessageDelivered, addr)
	site := fmt.Sprintf("http://:%s {\n\tbind 127.0.0.1\n\tinbox_dashboard\n}\n", port(shown))
	s, err := b.gateBeside(ctx, routes, site, store, nil, b.both())
	if err != nil {
		return f, err
	}
	defer s.close()
	if err := s.prod(ctx, l, 1, ""); err != nil {
		return f, err
	}
	d := drive{load: l, conns: goalConns, rate: pagesRate}
	if read == nil {
		return b.measure(ctx, s, d)
	}
	within, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- readPages(within, "http://"+shown, read) }()
	f, err = b.measure(ctx, s, d)
	stop()
	return f, errors.Join(err, <-done)
}

// readPages reads by turns until ctx ends, and adds how long each reading took.
func readPages(ctx context.Context, shown string, into []*series) error {
	client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(pagesPause)
	defer tick.Stop()
	took := make([][]time.Duration, len(readings))
	began := time.Now()
	for n := 0; ; n++ {
		i := n % len(readings)
		d, err := readPage(ctx, client, shown, readings[i])
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		took[i] = append(took[i], d)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	for i, times := range took {
		slices.Sort(times)
		into[i].add(timed(sample{took: time.Since(began), times: times}))
	}
	return nil
}

// readPage reads once, and returns how long the whole answer took.
func readPage(ctx context.Context, client *http.Client, shown string, r reading) (time.Duration, error) {
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, shown+r.address, nil)
	if err != nil {
		return 0, fmt.Errorf("reading a page: %w", err)
	}
	if r.fragment {
		ask.Header.Set("X-Fragment", "1")
	}
	began := time.Now()
	answer, err := client.Do(ask)
	if err != nil {
		return 0, fmt.Errorf("reading a page: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("reading a page: %w", err)
	}
	if n := strings.Count(string(text), "data-row"); answer.StatusCode != http.StatusOK || n < r.rows {
		return 0, fmt.Errorf("reading %s: %s, with %d events instead of %d", r.name, answer.Status, n, r.rows)
	}
	return took, nil
}
