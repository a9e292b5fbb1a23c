package caddymodule

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/secrets"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/storage"
)

// CaddyState is held by each test that makes Caddy write its globals.
var CaddyState sync.Mutex

// StoreOf is the open store of a data directory, nil if there is none.
func StoreOf(dir string) spool.Store {
	key, err := env.CanonicalDir(dir)
	if err != nil {
		return nil
	}
	var store spool.Store
	storages.Range(func(k, v any) bool {
		if k == key {
			store = v.(*storage.Storage).Store
		}
		return store == nil
	})
	return store
}

// OpenStorages counts the stores that are open in this process.
func OpenStorages() (n int) {
	storages.Range(func(any, any) bool { n++; return true })
	return n
}

// DrainAll does what an exiting process does with the attempts of a store.
func DrainAll(dir string, grace time.Duration) {
	key, _ := env.CanonicalDir(dir)
	storages.Range(func(k, v any) bool {
		if k == key {
			v.(*storage.Storage).Drain(grace)
		}
		return true
	})
}

// RegisterMetricsOfAnother registers what a configuration registers that never
// starts.
func RegisterMetricsOfAnother(t interface{ Fatal(...any) }, r *prometheus.Registry) {
	a := &App{sources: new(sourceSet), live: make(chan struct{})}
	if err := errors.Join(metrics.Process().Register(r), r.Register(metrics.Gauges{Now: a.figures})); err != nil {
		t.Fatal(err)
	}
}

// MetricNames are those of the metrics that exist, with their labels.
func MetricNames() map[string][]string {
	all := make(map[string][]string)
	ch := make(chan *prometheus.Desc, 64)
	go func() {
		defer close(ch)
		metrics.Process().Describe(ch)
		metrics.Gauges{}.Describe(ch)
	}()
	for d := range ch {
		text := d.String()
		_, name, _ := strings.Cut(text, `fqName: "`)
		name, _, _ = strings.Cut(name, `"`)
		_, labels, _ := strings.Cut(text, "variableLabels: {")
		labels, _, _ = strings.Cut(labels, "}")
		all[name] = strings.FieldsFunc(labels, func(r rune) bool { return r == ',' })
	}
	return all
}

// Fingerprint names a secret in metrics.
func Fingerprint(secret string) string { return secrets.Fingerprint([]byte(secret)) }

// RejectReasons are the labels of a refusal.
func RejectReasons() []string { return metrics.Reasons() }

// Emit emits through the app of the configuration in force.
func Emit(name string, data map[string]any) { activeApp().emit(name, data) }

// sayer is a store that says how it is.
type sayer struct {
	spool.Store
	says spool.Stats
}

func (s sayer) Stats() spool.Stats { return s.says }

// UnreadyCases are what is answered and what should be.
func UnreadyCases() map[string][2]string {
	app := func(s *spool.Stats) *App {
		a := &App{sources: new(sourceSet), live: make(chan struct{})}
		a.sources.byName = map[string]*source{"inbox": {}}
		if s != nil {
			a.engine = &engine{Storage: storage.Of(sayer{says: *s}, nil)}
			close(a.live)
		}
		return a
	}
	return map[string][2]string{
		"not open": {app(nil).unready(), "the store is not open yet"},
		"well":     {app(new(spool.Stats)).unready(), ""},
		"no time":  {app(&spool.Stats{ClockUnset: true}).unready(), "the machine's clock is not set"},
		"ahead":    {app(&spool.Stats{ClockOff: 72 * time.Hour}).unready(), ""},
		"refusing": {app(&spool.Stats{Refusing: true}).unready(), "the store or its disk is full"},
		"down":     {app(&spool.Stats{Refusing: true, Unavailable: errors.New("disk")}).unready(), "the store does not work"},
	}
}

// DiskLow plays what the store says, one after another, to the watch, and
// returns which of them were told. The app is that of the configuration in force.
func DiskLow(says ...spool.Stats) (warned []bool) {
	a := activeApp()
	st := storage.Of(nil, nil)
	for _, s := range says {
		st.Store = sayer{says: s}
		warned = append(warned, a.look(&engine{Storage: st}, time.Now()))
	}
	return warned
}

// StartWithin has Start wait so long for a database while a test runs.
func StartWithin(t interface {
	Cleanup(func())
	Fatal(...any)
}, d string,
) {
	within, err := time.ParseDuration(d)
	if err != nil {
		t.Fatal(err)
	}
	former := startWithin
	startWithin = within
	t.Cleanup(func() { startWithin = former })
}
