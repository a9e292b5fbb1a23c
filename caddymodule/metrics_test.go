package caddymodule_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/verify"

	"github.com/inboxgate/inboxgate/caddymodule"
)

// Every result and reason that a request can bring about is counted, once.
func TestMetricsOfRequests(t *testing.T) {
	const source = "m-requests"
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, nil)
	in := start(t, "", fmt.Sprintf("inbox_webhook /hook {\nname %s\nmax_body 4KiB\nto %s {\nname app\n}\n}", source, app.addr()))
	url := in.url("/hook")

	before := gather(t)
	for _, key := range []string{
		requests(source, "accepted", ""), requests(source, "quarantined", "conflict"), requests(source, "rejected", "signature_mismatch"),
		signatures(source, caddymodule.Fingerprint(secret)), deliveries(source, "app", "dead"), ofSource("inbox_route_parked", source),
		ofRoute("inbox_route_held", source, "app"), ofSource("inbox_accept_seconds", source),
	} {
		before.want(t, series{key: 0})
	}

	id, body := sample(t, "message.read")
	post(t, url, body)
	app.await(t, id)
	post(t, url, body)
	post(t, url, bytes.Replace(body, []byte("{"), []byte("{ "), 1)) // Conflict.
	post(t, url, []byte("no event"))
	post(t, url, old(t))
	unsigned := request(t, url, body)
	unsigned.Header.Del(verify.Header)
	send(t, unsigned)
	bad := request(t, url, body)
	bad.Header.Set(verify.Header, "sha256=short")
	send(t, bad)
	forged := request(t, url, body)
	forged.Header.Set(verify.Header, verify.Sign([]byte("another-secret-of-somebody"), body))
	send(t, forged)
	zipped := request(t, url, body)
	zipped.Header.Set(verify.Header, forged.Header.Get(verify.Header))
	zipped.Header.Set("Content-Encoding", "gzip")
	send(t, zipped)
	post(t, url, bytes.Repeat([]byte("x"), 5<<10))
	get, _ := http.NewRequest(http.MethodGet, url, nil)
	send(t, get)

	eventually(t, "the delivery and the quarantine to be counted", func() bool {
		got := gather(t)
		return got[deliveries(source, "app", "delivered")] == 1 && got["inbox_quarantine_entries{}"] == 3
	})
	after := gather(t)
	after.want(t, series{
		requests(source, "accepted", ""):                                                               1,
		requests(source, "duplicate", ""):                                                              1,
		requests(source, "quarantined", "odd"):                                                         1,
		requests(source, "quarantined", "conflict"):                                                    1,
		requests(source, "quarantined", "stale"):                                                       1,
		requests(source, "rejected", "signature_missing"):                                              1,
		requests(source, "rejected", "signature_malformed"):                                            1,
		requests(source, "rejected", "signature_mismatch"):                                             1,
		requests(source, "rejected", "encoding"):                                                       1,
		requests(source, "rejected", "too_large"):                                                      1,
		requests(source, "rejected", "method"):                                                         1,
		requests(source, "rejected", "unavailable"):                                                    0,
		`inbox_duplicates_total{caught="cache",source="` + source + `"}`:                               1,
		signatures(source, caddymodule.Fingerprint(secret)):                                            5,
		ofSource("inbox_accept_seconds", source):                                                       5,
		attempts(source, "app", "delivered"):                                                           1,
		attempts(source, "app", "failed"):                                                              0,
		ofRoute("inbox_attempt_seconds", source, "app"):                                                1,
		ofRoute("inbox_delivery_seconds", source, "app"):                                               1,
		"inbox_store_up{}":                                                                             1,
		"inbox_clock_off_seconds{}":                                                                    0,
		"inbox_store_refusing{}":                                                                       0,
		`inbox_secret_valid{secret="` + caddymodule.Fingerprint(secret) + `",source="` + source + `"}`: 1,
	})
	if b, a := before.of(source), after.of(source); !slices.Equal(b, a) {
		t.Errorf("requests have made series:\n%s\nbefore:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// old is the body of an event that is older than any window.
func old(t *testing.T) []byte {
	t.Helper()
	e, err := event.Sample("message.read", time.Now().Add(-1000*time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Only the configuration makes series: not types, ids, paths or methods that a
// stranger, or even the platform, chooses.
func TestMetricsLabelsAreOurs(t *testing.T) {
	const source = "m-labels"
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, nil)
	in := start(t, "", fmt.Sprintf("inbox_webhook /hook* {\nname %s\nto %s {\nname `odd:[]$\"=\\`\n}\n}", source, app.addr()))
	before := gather(t)
	for n := range 20 {
		body := fmt.Sprintf(`{"id":"evt_of_a_stranger_%d","type":"type.%d","created_at":%q,"data":{}}`, n, n, time.Now().UTC().Format(time.RFC3339))
		url := in.url(fmt.Sprintf("/hook%d?%d", n, n))
		post(t, url, []byte(body))
		r := request(t, url, []byte(body))
		r.Method = fmt.Sprintf("M%d", n)
		r.Header.Set("X-Inbox-Source", fmt.Sprint(n))
		send(t, r)
	}
	eventually(t, "20 requests in the metrics", func() bool { return gather(t)[requests(source, "accepted", "")] == 20 })
	after := gather(t)
	after.want(t, series{requests(source, "rejected", "method"): 20})
	if len(before) != len(after) {
		t.Errorf("%d series before, %d after", len(before), len(after))
	}
}

// What fails, and what ends dead, is counted by route; a replay is not in the
// time to delivery.
func TestMetricsOfDeliveries(t *testing.T) {
	const source = "m-deliveries"
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, func(w http.ResponseWriter, r *http.Request, n int) {
		switch {
		case r.Header.Get("X-Inbox-Event-Type") == "message.failed":
			w.WriteHeader(http.StatusGone)
		case n == 1:
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	in := start(t, "", fmt.Sprintf("inbox_webhook /hook {\nname %s\nto %s {\nname app\nretry 10ms 10ms 10ms\n}\non message.action 127.0.0.1:1 {\nname gone\n}\n}", source, app.addr()))
	_, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	eventually(t, "a delivery after a failure", func() bool { return gather(t)[deliveries(source, "app", "delivered")] == 1 })
	_, body = sample(t, "message.failed")
	post(t, in.url("/hook"), body)
	_, body = sample(t, "message.action")
	post(t, in.url("/hook"), body)
	eventually(t, "a dead letter and a held route", func() bool {
		got := gather(t)
		return got[deliveries(source, "app", "dead")] == 1 && got[ofRoute("inbox_route_held", source, "gone")] == 1
	})
	first := in.records(spool.Query{})
	seq := first[len(first)-1].Event.Seq
	if n, err := in.store().Redeliver(context.Background(), seq, spool.RouteWish{Route: "app"}); err != nil || n != 1 {
		t.Fatalf("replaying: %d, %v", n, err)
	}
	eventually(t, "the replay", func() bool { return gather(t)[deliveries(source, "app", "delivered")] == 2 })
	got := gather(t)
	got.want(t, series{
		attempts(source, "app", "failed"):                2, // 500 and 410.
		attempts(source, "app", "delivered"):             2,
		ofRoute("inbox_attempt_seconds", source, "app"):  4,
		ofRoute("inbox_delivery_seconds", source, "app"): 1,
		ofRoute("inbox_route_dead", source, "app"):       1,
		ofRoute("inbox_route_held", source, "app"):       0,
		deliveries(source, "gone", "dead"):               0,
	})
	if got[attempts(source, "gone", "free")] < 1 {
		t.Error("an attempt that reached nobody is not counted as free")
	}
	if got[ofRoute("inbox_route_waiting", source, "gone")]+got[ofRoute("inbox_route_running", source, "gone")] != 1 {
		t.Error("what waits on the held route is not shown")
	}
}
