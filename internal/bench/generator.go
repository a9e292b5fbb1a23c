//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// generator sends the requests of one load over its connections.
type generator struct {
	load  *load
	conns []*conn
	// limit is how many of the load's requests are used. cycle begins again
	// after the last of them, for servers that do not mind copies.
	limit int
	cycle bool

	next   atomic.Int64
	good   atomic.Int64 // all answers as wanted, warm-up included
	failed atomic.Int64
	why    atomic.Value // the first failure, in words
}

func connect(addr, want string, n int, l *load) (*generator, error) {
	g := &generator{load: l, limit: l.len()}
	addrs := strings.Split(addr, ",")
	for i := range n {
		c, err := dial(addrs[i%len(addrs)], want)
		if err != nil {
			g.close()
			return nil, err
		}
		g.conns = append(g.conns, c)
	}
	return g, nil
}

func (g *generator) close() {
	for _, c := range g.conns {
		_ = c.Close()
	}
}

// take gives the next request's number, or false when none is left.
func (g *generator) take() (int, bool) {
	n := int(g.next.Add(1) - 1)
	if g.cycle {
		return n % g.limit, true
	}
	return n, n < g.limit
}

// note counts an answer, and says whether its connection can be used again.
func (g *generator) note(err error) bool {
	if err == nil {
		g.good.Add(1)
		return true
	}
	g.failed.Add(1)
	g.why.CompareAndSwap(nil, err.Error())
	return errors.Is(err, errAnswer)
}

// sample is what one measurement saw.
type sample struct {
	took  time.Duration
	times []time.Duration // sorted, of good answers only
}

// closed sends a next request when the last one was answered, for a time or
// for count requests (0 for no bound), on every connection.
func (g *generator) closed(ctx context.Context, length time.Duration, count int) (s sample) {
	times := make([][]time.Duration, len(g.conns))
	begin := time.Now()
	var left atomic.Int64
	left.Store(int64(count))
	var wg sync.WaitGroup
	for i, c := range g.conns {
		wg.Go(func() {
			_ = c.SetDeadline(begin.Add(length + patience))
			own := make([]time.Duration, 0, 1<<12)
			for sent := begin; sent.Sub(begin) < length && ctx.Err() == nil; {
				if count > 0 && left.Add(-1) < 0 {
					break
				}
				n, ok := g.take()
				if !ok {
					break
				}
				sent = time.Now()
				err := c.exchange(g.load, n)
				if err == nil {
					own = append(own, time.Since(sent))
				}
				if !g.note(err) {
					break
				}
			}
			times[i] = own
		})
	}
	wg.Wait()
	s.took = time.Since(begin)
	s.times = slices.Concat(times...)
	slices.Sort(s.times)
	return s
}

// pauser waits, and is not late by more than the kernel makes it.
type pauser func(time.Duration)

// nap is a pauser. Go's own timers may be a millisecond late where nothing else
// happens, which is as much as what is measured.
func nap(d time.Duration) {
	if d > 0 {
		ts := syscall.NsecToTimespec(int64(d))
		_ = syscall.Nanosleep(&ts, nil) // Cut short, the loop around it naps again.
	}
}

// open sends request after request at a fixed rate, whether or not earlier ones
// have been answered. A request that had to wait for a connection counts from
// when it was to be sent, so that a stall shows in all that it delayed.
func (g *generator) open(ctx context.Context, rate int, length time.Duration, pause pauser) sample {
	total := int(float64(rate) * length.Seconds())
	times := slices.Repeat([]time.Duration{unknown}, total)
	idle := make(chan *conn, len(g.conns))
	begin := time.Now()
	at := func(n int) time.Time { return begin.Add(time.Duration(n) * time.Second / time.Duration(rate)) }
	answers := make(map[*conn]chan int, len(g.conns)) // which request each one answers next
	var wg sync.WaitGroup
	for _, c := range g.conns {
		_ = c.SetDeadline(begin.Add(length + patience))
		mine := make(chan int, 1)
		answers[c] = mine
		idle <- c
		wg.Go(func() {
			for n := range mine {
				err := c.receive()
				if err == nil {
					times[n] = time.Since(at(n))
				}
				if !g.note(err) {
					return
				}
				idle <- c
			}
		})
	}
	for n := range total {
		for wait := time.Until(at(n)); wait > 0; wait = time.Until(at(n)) {
			pause(wait)
		}
		if !g.dispatch(ctx, n, idle, answers) {
			break
		}
	}
	for _, a := range answers {
		close(a)
	}
	wg.Wait()
	s := sample{took: time.Since(begin), times: slices.DeleteFunc(times, func(d time.Duration) bool { return d == unknown })}
	slices.Sort(s.times)
	return s
}

// dispatch sends one request on the next idle connection.
func (g *generator) dispatch(ctx context.Context, n int, idle chan *conn, answers map[*conn]chan int) bool {
	var c *conn
	select {
	case c = <-idle:
	case <-ctx.Done():
		return false
	case <-time.After(patience):
		g.note(errors.New("no connection came free"))
		return false
	}
	which, ok := g.take()
	if !ok {
		g.note(errors.New("too few requests were prepared"))
		return false
	}
	if err := c.send(g.load, which); err != nil {
		g.note(fmt.Errorf("sending: %w", err))
		return true // The others go on.
	}
	answers[c] <- n
	return true
}
