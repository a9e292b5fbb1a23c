package control

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/inboxgate/inboxgate/internal/minutes"
)

// Minutes is what a process did in each of its last minutes. Every list of numbers has
// one for each of them.
type Minutes struct {
	// Began is when the process began to count.
	Began time.Time `json:"began_at"`
	// Minutes are when each minute began, oldest first, at most 60. The present one is
	// last, and not over.
	Minutes []time.Time     `json:"minutes"`
	Sources []SourceMinutes `json:"sources"`
	Routes  []RouteMinutes  `json:"routes"`
}

// SourceMinutes are the requests of a source, a minute each.
type SourceMinutes struct {
	Source      string  `json:"source"`
	Accepted    []int64 `json:"accepted"`
	Duplicate   []int64 `json:"duplicate"`
	Quarantined []int64 `json:"quarantined"`
	Refused     []int64 `json:"refused"`
	// P50 and P99 are within how many milliseconds so many of the hundred were answered
	// that were not refused; 0 where there were none.
	P50 []float64 `json:"answer_p50_ms"`
	P99 []float64 `json:"answer_p99_ms"`
}

// RouteMinutes are the attempts of a route, a minute each.
type RouteMinutes struct {
	Source    string  `json:"source"`
	Route     string  `json:"route"`
	Delivered []int64 `json:"delivered"`
	Failed    []int64 `json:"failed"`
	// Dead counts the new dead letters.
	Dead []int64 `json:"dead"`
	// Waiting is how many deliveries waited at the end of the minute, -1 where that is
	// not known.
	Waiting []int64 `json:"waiting"`
	// P50 and P99 are within how many milliseconds so many of a hundred attempts ended.
	P50 []float64 `json:"took_p50_ms"`
	P99 []float64 `json:"took_p99_ms"`
}

// Minutes returns what the process did in its last minutes.
func (c *Client) Minutes(ctx context.Context) (m Minutes, err error) {
	err = c.call(ctx, http.MethodGet, Prefix+"minutes", nil, nil, &m)
	return m, err
}

// minutes answers with the minutes of what is configured.
func (a *api) minutes(*request) (any, error) {
	view := a.Minutes.View()
	m := Minutes{Began: a.Minutes.Began(), Minutes: view.Times(), Sources: []SourceMinutes{}, Routes: []RouteMinutes{}}
	for _, name := range a.sourceNames() {
		of := a.Minutes.Source(name)
		n, took := of.Read(view), of.Took(view)
		m.Sources = append(m.Sources, SourceMinutes{
			Source: name, Accepted: n.Accepted, Duplicate: n.Duplicate, Quarantined: n.Quarantined, Refused: n.Refused,
			P50: milliseconds(took.P50), P99: milliseconds(took.P99),
		})
	}
	for _, k := range sortedKeys(a.Configured()) {
		of := a.Minutes.Route(k.Source, k.Route)
		n, took := of.Read(view), of.Took(view)
		m.Routes = append(m.Routes, RouteMinutes{
			Source: k.Source, Route: k.Route, Delivered: n.Delivered, Failed: n.Failed, Dead: n.Dead, Waiting: n.Waiting,
			P50: milliseconds(took.P50), P99: milliseconds(took.P99),
		})
	}
	return m, nil
}

// milliseconds returns durations in milliseconds, to the hundredth.
func milliseconds(all []time.Duration) []float64 {
	ms := make([]float64, len(all))
	for i, d := range all {
		ms[i] = math.Round(float64(d)/float64(time.Millisecond)*100) / 100
	}
	return ms
}

// Lately returns the sum of the last so many minutes of a list, the present one among
// them.
func Lately(counts []int64, n int) int64 {
	return minutes.Sum(counts[max(0, len(counts)-n):])
}

// sourceNames returns the configured sources, in their order.
func (a *api) sourceNames() []string {
	names := map[string]bool{}
	if a.About != nil {
		for _, s := range a.About().Sources {
			names[s.Source] = true
		}
	}
	for k := range a.Configured() {
		names[k.Source] = true
	}
	return sortedNames(names)
}
