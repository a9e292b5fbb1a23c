//go:build linux

package sqlite

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// BenchmarkCount counts in a store of a million waiting events, to the end and within
// the time that a list gives it.
func BenchmarkCount(b *testing.B) {
	long(b)
	dir := b.TempDir()
	fill(b, dir, 1_000_000, true)
	s := openBench(b, dir)
	defer s.Close()
	for _, bc := range []struct {
		name string
		q    spool.Query
	}{
		{"all", spool.Query{}},
		{"available", spool.Query{State: spool.Available}},
		{"waiting", spool.Query{Waiting: true}},
		{"dead", spool.Query{State: spool.Dead}},
		{"delivered", spool.Query{State: spool.Delivered}},
		{"type", spool.Query{Type: "message.read"}},
		{"route", spool.Query{Route: "held"}},
		{"unrouted", spool.Query{Unrouted: true}},
		{"since", spool.Query{Since: time.Unix(1, 0)}},
		{"contains", spool.Query{Contains: []byte("nowhere")}},
		{"delivery", spool.Query{Delivery: func(spool.RouteKey, spool.DeliveryRecord) bool { return true }}},
	} {
		for name, within := range map[string]time.Duration{"to the end": 0, "in 250 ms": 250 * time.Millisecond} {
			b.Run(bc.name+" "+name, func(b *testing.B) {
				for range b.N {
					n, err := s.Count(bg, bc.q, within)
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64(n.N), "counted")
				}
			})
		}
	}
}
