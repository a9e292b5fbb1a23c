//go:build linux

package main

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// unknown is a figure that cannot be read here.
const unknown = -1

// figures are what one measurement of one side gave.
type figures struct {
	Events  int     `json:"events"`
	Rate    float64 `json:"per_second"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	P999    float64 `json:"p999_ms"`
	CPU     float64 `json:"cpu_us_per_event"`
	Flushes float64 `json:"flushes_per_event"` // unknown where the disk cannot be asked
	Written float64 `json:"disk_bytes_per_event"`
	// Database is the CPU time of the database's processes, Log what it wrote to its
	// log, Syncs how often it flushed that, where a side has a database.
	Database float64 `json:"database_cpu_us_per_event"`
	Log      float64 `json:"log_bytes_per_event"`
	Syncs    float64 `json:"log_flushes_per_event"`
	RSS      float64 `json:"rss_mib"`
	// Start is how long the first answer of the process took, in ms.
	Start float64 `json:"start_ms"`
	// Nanos and Allocs are those of one check of a signature.
	Nanos  float64 `json:"ns_per_check"`
	Allocs float64 `json:"allocations_per_check"`
	// Void says what makes these figures worthless.
	Void string `json:"void,omitempty"`
}

// blank has no figure yet.
func blank() figures {
	return figures{Rate: unknown, P50: unknown, P99: unknown, P999: unknown, CPU: unknown, Flushes: unknown, Written: unknown, RSS: unknown, Start: unknown, Nanos: unknown, Allocs: unknown, Database: unknown, Log: unknown, Syncs: unknown}
}

// UnmarshalJSON reads figures of an earlier run, which may not know all that there is now.
func (f *figures) UnmarshalJSON(text []byte) error {
	type plain figures
	p := plain(blank())
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	*f = figures(p)
	return nil
}

// timed are the figures of a sample.
func timed(s sample) figures {
	f := blank()
	f.Events = len(s.times)
	f.Rate = float64(f.Events) / s.took.Seconds()
	f.P50, f.P99, f.P999 = ms(quantile(s.times, 0.5)), ms(quantile(s.times, 0.99)), ms(quantile(s.times, 0.999))
	return f
}

// used adds what n events cost between two readings.
func (f *figures) used(from, to meter, n int) {
	if n == 0 {
		return
	}
	f.CPU = float64((to.use.cpu - from.use.cpu).Microseconds()) / float64(n)
	f.Written = float64(to.use.written-from.use.written) / float64(n)
	f.RSS = float64(to.use.rss) / (1 << 20)
	if from.flushes != unknown && to.flushes != unknown {
		f.Flushes = (to.flushes - from.flushes) / float64(n)
	}
	if from.log != unknown && to.log != unknown {
		f.Database = float64((to.database.cpu - from.database.cpu).Microseconds()) / float64(n)
		f.Log = (to.log - from.log) / float64(n)
		f.Written += float64(to.database.written-from.database.written) / float64(n)
	}
}

// durable refuses figures that the work cannot have: one flush makes at most
// one event of each connection safe, and each event is larger than nothing.
func (f *figures) durable(conns, body int) {
	switch {
	case f.Void != "":
	case f.Flushes != unknown && f.Flushes < 0.95/float64(conns):
		f.Void = "the disk was flushed too seldom for what was answered"
	case f.Written < float64(body):
		f.Void = "fewer bytes went to the disk than were answered for"
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile is the value that a share q of the sorted times does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func median(values []float64) float64 {
	known := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return v == unknown })
	if len(known) == 0 {
		return unknown
	}
	slices.Sort(known)
	middle := len(known) / 2
	if len(known)%2 == 1 {
		return known[middle]
	}
	return (known[middle-1] + known[middle]) / 2
}

// series is one side of a row: the figures of all its rounds.
type series struct {
	Name    string    `json:"name"`
	Setting string    `json:"setting,omitempty"` // where a row has several
	Body    int       `json:"body,omitempty"`
	Conns   int       `json:"connections,omitempty"`
	Rate    int       `json:"rate,omitempty"` // of the generator, 0 in a closed loop
	Rounds  []figures `json:"rounds"`
}

func (s *series) add(f figures) { s.Rounds = append(s.Rounds, f) }

func (s *series) all(of func(figures) float64) (values []float64) {
	for _, f := range s.Rounds {
		values = append(values, of(f))
	}
	return values
}

func (s *series) median(of func(figures) float64) float64 { return median(s.all(of)) }

func (s *series) void() string {
	for _, f := range s.Rounds {
		if f.Void != "" {
			return s.Name + ": " + f.Void
		}
	}
	return ""
}
