package deliver

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// instant is a store that costs nothing: it lets the dispatcher be measured
// alone.
type instant struct {
	spool.Store
	settled atomic.Int64
	done    chan struct{}
}

func (s *instant) Watch(func(spool.RouteKey)) func() { return func() {} }

func (s *instant) HeldByHand(spool.RouteKey) (spool.Hold, bool) { return spool.Hold{}, false }

func (s *instant) Routes(context.Context) ([]spool.RouteState, error) { return nil, nil }

func (s *instant) Lease(context.Context, spool.Pick) (spool.Batch, error) { return spool.Batch{}, nil }

func (s *instant) Release(context.Context, []spool.Lease) error { return nil }

func (s *instant) Settle(context.Context, spool.Settlement) error {
	s.settled.Add(1)
	s.done <- struct{}{}
	return nil
}

// BenchmarkDelivery is the dispatcher's share of an event's life. Its yardstick
// is the least that anyone would do: run the upstream in a goroutine.
func BenchmarkDelivery(b *testing.B) {
	upstream := UpstreamFunc(func(context.Context, Attempt) Answer { return Answer{Reach: Answered, Status: 200} })
	ev := &spool.Event{Source: app.Source, Request: spool.Request{Body: make([]byte, 270)}}
	for _, inFlight := range []int{1, 32} {
		b.Run(fmt.Sprintf("dispatcher/%d", inFlight), func(b *testing.B) {
			s := &instant{done: make(chan struct{}, inFlight)}
			d, err := New(Config{Store: s, Routes: []Route{{Key: app, Upstream: upstream, MaxInFlight: inFlight}}})
			if err != nil {
				b.Fatal(err)
			}
			d.Start()
			b.ReportAllocs()
			n := int64(0)
			pump(b, inFlight, s.done, func() {
				n++
				if !d.Reserve(app) {
					b.Fatal("full")
				}
				d.Offer(spool.Delivery{Lease: spool.Lease{Delivery: n}, Route: app, Event: ev}, time.Now())
			})
			if err := d.Drain(context.Background()); err != nil || s.settled.Load() != n {
				b.Fatalf("%d of %d settled: %v", s.settled.Load(), n, err)
			}
		})
		b.Run(fmt.Sprintf("goroutine/%d", inFlight), func(b *testing.B) {
			done := make(chan struct{}, inFlight)
			b.ReportAllocs()
			pump(b, inFlight, done, func() {
				go func() {
					upstream(context.Background(), Attempt{Delivery: spool.Delivery{Event: ev}, N: 1})
					done <- struct{}{}
				}()
			})
		})
	}
}

// pump keeps so many deliveries under way at once.
func pump(b *testing.B, inFlight int, done <-chan struct{}, send func()) {
	sent, ended := 0, 0
	for b.Loop() {
		if sent-ended == inFlight {
			<-done
			ended++
		}
		send()
		sent++
	}
	for ; ended < sent; ended++ {
		<-done
	}
}

// BenchmarkReserve is what every accept pays, from several connections.
func BenchmarkReserve(b *testing.B) {
	d, err := New(Config{Store: &instant{}, Routes: []Route{{Key: app, Upstream: UpstreamFunc(nil)}}})
	if err != nil {
		b.Fatal(err)
	}
	d.Start()
	b.Run("slots", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if d.Reserve(app) {
					d.Unreserve(app)
				}
			}
		})
	})
	b.Run("mutex", func(b *testing.B) {
		var mu sync.Mutex
		n := 0
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				for range 2 {
					mu.Lock()
					n++
					mu.Unlock()
				}
			}
		})
	})
	if err := d.Drain(context.Background()); err != nil {
		b.Fatal(err)
	}
}
