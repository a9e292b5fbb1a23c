package dedupe_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/inboxgate/inboxgate/dedupe"
)

func accepted(context.Context) (dedupe.Verdict, error) { return dedupe.Accepted, nil }

func benchKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("inbox\x00evt_%022d", i)
	}
	return keys
}

// The yardstick: what an exact map that is never bounded and waits for nobody
// would cost for the same keys.
func BenchmarkSyncMap(b *testing.B) {
	keys := benchKeys(1 << 16)
	b.Run("known", func(b *testing.B) {
		var m sync.Map
		for _, k := range keys[:1000] {
			m.Store(k, body(1))
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, known := m.LoadOrStore(keys[i%1000], body(1)); !known {
				b.Fatal("not known")
			}
		}
	})
	b.Run("new", func(b *testing.B) {
		var m sync.Map
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if i%len(keys) == 0 {
				m.Clear()
			}
			m.LoadOrStore(keys[i%len(keys)], body(1))
		}
	})
}

func BenchmarkGate(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	keys := benchKeys(1 << 16)
	run := func(b *testing.B, o dedupe.GateOptions, keys []string) {
		g, end := open(b, o)
		defer end()
		for _, k := range keys {
			_, _ = g.Do(ctx, k, body(1), accepted)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := g.Do(ctx, keys[i%len(keys)], body(1), accepted); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("known", func(b *testing.B) {
		run(b, dedupe.GateOptions{Cache: &perfect{m: map[string]dedupe.Entry{}}}, keys[:1000])
	})
	b.Run("known to ristretto", func(b *testing.B) { run(b, dedupe.GateOptions{}, keys[:1000]) })
	b.Run("new", func(b *testing.B) { run(b, dedupe.GateOptions{IDs: -1}, keys) })
	b.Run("new beside ristretto", func(b *testing.B) {
		g, end := open(b, dedupe.GateOptions{})
		defer end()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			// A digest that differs each time is never a hit.
			if _, err := g.Do(ctx, keys[i%len(keys)], body(i), accepted); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What an id costs in memory, as the comments say.
func BenchmarkBytesPerID(b *testing.B) {
	const ids = 400_000
	keys := benchKeys(ids)
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	b.Run("Memory", func(b *testing.B) {
		for b.Loop() {
			before := heap()
			m := dedupe.NewMemory(0, ids, nil)
			for _, k := range keys {
				remember(m, k, body(1))
			}
			b.ReportMetric(float64(heap()-before)/float64(m.Len()), "B/id")
			runtime.KeepAlive(m)
		}
	})
	b.Run("Gate", func(b *testing.B) {
		for b.Loop() {
			before := heap()
			g, end := open(b, dedupe.GateOptions{IDs: dedupe.DefaultIDs})
			for _, k := range keys {
				_, _ = g.Do(context.Background(), k, body(1), accepted)
			}
			b.ReportMetric(float64(heap()-before)/dedupe.DefaultIDs, "B/id")
			end()
		}
	})
}

func BenchmarkMemory(b *testing.B) {
	m := dedupe.NewMemory(0, 1<<30, nil)
	keys := benchKeys(1 << 16)
	for _, k := range keys {
		remember(m, k, body(1))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		remember(m, keys[i%len(keys)], body(1))
	}
}
