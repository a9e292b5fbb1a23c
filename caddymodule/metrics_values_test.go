package caddymodule_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Durations, ages and sizes have right values, and not only right counts: what
// was just sent took less than the test, and no time is that since the year 1.
func TestMetricsHaveRightValues(t *testing.T) {
	const source, events = "m-values", 10
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	began := time.Now()
	app := newApp(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.Header.Get("X-Inbox-Event-Type") == "message.failed" && r.Header.Get("X-Inbox-Attempt") == "1" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	site := fmt.Sprintf("inbox_webhook /hook {\nname %s\nto %s {\nname app\nretry 300ms\n}\non message.action 127.0.0.1:1 {\nname gone\n}\n}", source, app.addr())
	in := start(t, "", site)
	for range events {
		_, body := sample(t, "message.read")
		post(t, in.url("/hook"), body)
	}
	_, body := sample(t, "message.failed") // Delivered from the store, after 300 ms.
	post(t, in.url("/hook"), body)
	_, body = sample(t, "message.action") // Waits.
	post(t, in.url("/hook"), body)
	post(t, in.url("/hook"), []byte("no event"))
	if got := gather(t); got["inbox_quarantine_entries{}"] != 1 || got["inbox_quarantine_bytes{}"] < 8 {
		t.Errorf("right after a body went to quarantine there are %v entries of %v bytes", got["inbox_quarantine_entries{}"], got["inbox_quarantine_bytes{}"])
	}
	eventually(t, "the deliveries and a held route", func() bool {
		got := gather(t)
		return got[deliveries(source, "app", "delivered")] == events+1 && got[ofRoute("inbox_route_held", source, "gone")] == 1
	})
	check := func(when string) {
		t.Helper()
		got, upTo := gather(t), time.Since(began).Seconds()
		within := func(name string, low, high float64) {
			t.Helper()
			if v, ok := got[name]; !ok || v < low || v > high {
				t.Errorf("%s: %s is %v, want %v to %v", when, name, v, low, high)
			}
		}
		within(ofRoute("inbox_delivery_seconds", source, "app"), events+1, events+1)
		within(ofRoute("inbox_delivery_seconds_sum", source, "app"), 0.3, upTo*(events+1))
		within(ofRoute("inbox_attempt_seconds_sum", source, "app"), 1e-6, upTo*(events+3))
		within(ofSource("inbox_accept_seconds_sum", source), 1e-6, upTo*(events+3))
		within(ofRoute("inbox_route_oldest_seconds", source, "gone"), 1e-9, upTo)
		within(ofRoute("inbox_route_oldest_seconds", source, "app"), 0, 0)
		within("inbox_store_used_bytes{}", 4096, 64<<20)
		within("inbox_store_file_bytes{}", got["inbox_store_used_bytes{}"], 64<<20)
		within("inbox_store_used_ratio{}", 1e-9, 0.01)
		within("inbox_store_max_bytes{}", 10<<30, 10<<30)
		within("inbox_store_log_bytes{}", 0, 128<<20)
		within("inbox_disk_free_bytes{}", 1<<20, 1<<60)
		within("inbox_disk_floor_bytes{}", 1<<20, 1<<30)
		within("inbox_store_commits_total{}", 0, 1000)
		within("inbox_store_commit_calls_total{}", got["inbox_store_commits_total{}"]/2, 1000)
		within("inbox_leases_lost_total{}", 0, 0)
		within("inbox_quarantine_entries{}", 1, 1)
	}
	check("at first")

	rec := in.records(spool.Query{Type: "message.read", Limit: 1})[0]
	if n, err := in.store().Redeliver(context.Background(), rec.Event.Seq, spool.RouteWish{Route: "app"}); err != nil || n != 1 {
		t.Fatalf("replaying: %d, %v", n, err)
	}
	eventually(t, "the replay", func() bool { return gather(t)[deliveries(source, "app", "delivered")] == events+2 })
	check("after a replay")

	if err := in.load("", ""); err != nil { // The store closes, and opens anew.
		t.Fatal(err)
	}
	if err := in.load("", site); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store's own gauges", func() bool { return gather(t)["inbox_disk_free_bytes{}"] > 0 })
	check("after the store was opened anew")
}
