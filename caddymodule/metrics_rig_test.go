package caddymodule_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// series are the values of the metrics inbox_*, by name and labels but that of the
// store, and of
// histograms their counts, and as <name>_sum what those sum up to.
type series map[string]float64

// gather asks the registry of the configuration in force, which is pedantic: it
// fails where a metric is not what was described.
func gather(t *testing.T) series {
	t.Helper()
	ctx := caddy.ActiveContext()
	return gatherOf(t, ctx.GetMetricsRegistry())
}

func gatherOf(t *testing.T, g prometheus.Gatherer) series {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatalf("gathering: %v", err)
	}
	all, stores := make(series), make(map[string]bool)
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "inbox_") {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				if l.GetName() == "store" { // The same of all: there is one store.
					if !storeLabel.MatchString(l.GetValue()) {
						t.Errorf("the store of %s is called %q", f.GetName(), l.GetValue())
					}
					stores[l.GetValue()] = true
					continue
				}
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			key := f.GetName() + "{" + strings.Join(labels, ",") + "}"
			switch {
			case m.Counter != nil:
				all[key] = m.GetCounter().GetValue()
			case m.Gauge != nil:
				all[key] = m.GetGauge().GetValue()
			case m.Histogram != nil:
				all[key] = float64(m.GetHistogram().GetSampleCount())
				all[strings.Replace(key, "{", "_sum{", 1)] = m.GetHistogram().GetSampleSum()
			}
		}
	}
	if len(stores) > 1 {
		t.Errorf("there is one store, and metrics have %v", stores)
	}
	return all
}

// storeLabel is what a store is called in metrics.
var storeLabel = regexp.MustCompile(`^[0-9a-f]{8}$`)

// want checks the values of series, by their whole names with labels in the order of
// the alphabet.
func (s series) want(t *testing.T, want series) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		got, ok := s[key]
		if !ok {
			t.Errorf("%s does not exist", key)
		} else if got != want[key] {
			t.Errorf("%s is %v, want %v", key, got, want[key])
		}
	}
}

// of lists the series of one source.
func (s series) of(source string) (keys []string) {
	for key := range s {
		if strings.Contains(key, fmt.Sprintf("source=%q", source)) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func requests(source, result, why string) string {
	return fmt.Sprintf("inbox_requests_total{reason=%q,result=%q,source=%q}", why, result, source)
}

func attempts(source, route, outcome string) string {
	return fmt.Sprintf("inbox_attempts_total{outcome=%q,route=%q,source=%q}", outcome, route, source)
}

func deliveries(source, route, outcome string) string {
	return fmt.Sprintf("inbox_deliveries_total{outcome=%q,route=%q,source=%q}", outcome, route, source)
}

func signatures(source, secret string) string {
	return fmt.Sprintf("inbox_signatures_total{secret=%q,source=%q}", secret, source)
}

func ofSource(name, source string) string { return fmt.Sprintf("%s{source=%q}", name, source) }

func ofRoute(name, source, route string) string {
	return fmt.Sprintf("%s{route=%q,source=%q}", name, route, source)
}
