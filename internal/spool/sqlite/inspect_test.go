package sqlite

import (
	"testing"
	"time"
)

// BenchmarkInspect is what looking through a database costs a start.
func BenchmarkInspect(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir, 24_000, true)
	s := openBench(b, dir)
	var took time.Duration
	for range b.N {
		if err := s.do(bg, false, 0, func(w *writer) error {
			start := time.Now()
			err := w.inspect(true)
			took += time.Since(start)
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.Stats().Used>>20), "MiB")
	b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms/look")
}
