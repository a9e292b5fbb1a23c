package caddymodule

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/internal/body"
	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/routing"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/storage"
)

// slow says its verdict when goOn is closed.
type slow struct {
	spool.Store
	goOn    chan struct{}
	verdict spool.Verdict
}

func (s slow) Accept(context.Context, spool.Intake) (spool.Receipt, error) {
	<-s.goOn
	return spool.Receipt{Verdict: s.verdict}, nil
}

// A copy that comes while the first is being stored was caught in flight, and
// one that only the store knows was caught there.
func TestWhereDuplicatesAreCaught(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		verdict spool.Verdict
		want    map[string]float64
	}{
		"caught-new":   {spool.Accepted, map[string]float64{"flight": 1, "store": 0, "cache": 1}},
		"caught-known": {spool.Duplicate, map[string]float64{"flight": 1, "store": 1, "cache": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := slow{goOn: make(chan struct{}), verdict: c.verdict}
				counters := metrics.Process().Source(name)
				accept := acceptor(t, store, name, func(a answer) { a.count(counters, time.Now()) })
				go accept()
				synctest.Wait()
				go accept()
				synctest.Wait()
				close(store.goOn)
				synctest.Wait()
				accept()
			})
			for where, want := range c.want {
				if got := caughtBy(t, name, where); got != want {
					t.Errorf("%v were caught by %s, want %v", got, where, want)
				}
			}
		})
	}
}

// acceptor accepts one and the same event each time it is called.
func acceptor(t *testing.T, store spool.Store, name string, told func(answer)) func() {
	gate, err := dedupe.NewGate[spool.Receipt](dedupe.GateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gate.Close)
	d, err := deliver.New(deliver.Config{Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	app := &App{sources: new(sourceSet), live: make(chan struct{})}
	app.engine = &engine{Storage: storage.Of(store, gate), dispatcher: d}
	close(app.live)
	table, err := routing.NewTable(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := &Webhook{app: app, src: &source{table: table}}
	return func() {
		a, err := h.accept(&incoming{
			r: httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader("{}")), received: time.Now(),
			source: name, id: "evt_1", typ: "message.read", body: new(body.Body),
		})
		if err != nil {
			t.Error(err)
		}
		told(a)
	}
}

func caughtBy(t *testing.T, source, where string) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := metrics.Process().Register(registry); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := make(map[string]string)
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "inbox_duplicates_total" && labels["source"] == source && labels["caught"] == where {
				return m.GetCounter().GetValue()
			}
		}
	}
	return -1
}
