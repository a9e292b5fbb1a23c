package caddymodule_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/caddymodule"
)

// Counters outlive every configuration: a reload, a reload that fails, one that
// takes the webhook away, and one that brings it back.
func TestMetricsOutliveReloads(t *testing.T) {
	const source = "m-reloads"
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, nil)
	site := fmt.Sprintf("inbox_webhook /hook {\nname %s\nto %s {\nname app\n}\n}", source, app.addr())
	in := start(t, "", site)
	sent := 0
	count := func(when string) {
		t.Helper()
		id, body := sample(t, "message.read")
		post(t, in.url("/hook"), body)
		app.await(t, id)
		sent++
		eventually(t, when+" each delivery is counted", func() bool {
			got := gather(t)
			return got[requests(source, "accepted", "")] == float64(sent) && got[deliveries(source, "app", "delivered")] == float64(sent) &&
				got[signatures(source, caddymodule.Fingerprint(secret))] == float64(sent) && got["inbox_store_up{}"] == 1
		})
	}
	count("at first")
	if err := in.load("", site+"\nheader X-Other 1"); err != nil {
		t.Fatal(err)
	}
	count("after a reload")
	if err := in.load("", "inbox_webhook /hook {\nname m-failed\nto app:1\n}\nroot {$nothing} {\n"); err == nil {
		t.Fatal("a configuration that is broken was loaded")
	}
	busy := app.Addr
	if err := in.load("servers {\nprotocols h1\n}", "inbox_webhook /hook {\nname m-failed\nto app:1\n}\n}\nhttp://"+busy+" {\nreverse_proxy 127.0.0.1:1 {\nlb_policy nothing\n}\n"); err == nil {
		t.Fatal("a configuration that is broken was loaded")
	}
	count("after a load that failed")
	if got := gather(t).of("m-failed"); len(got) > 0 {
		t.Errorf("a load that failed has left %q", got)
	}
	if err := in.load("", ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store to close", func() bool { return caddymodule.OpenStorages() == 0 })
	if err := in.load("", site); err != nil {
		t.Fatal(err)
	}
	count("after it was away")
	gather(t).want(t, series{`inbox_secret_valid{secret="` + caddymodule.Fingerprint(secret) + `",source="` + source + `"}`: 1})
}

// The admin endpoint belongs to the last configuration that was tried. Where
// that failed, its metrics tell of the one in force all the same.
func TestMetricsAfterAFailedLoad(t *testing.T) {
	const source = "m-refused"
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, nil)
	start(t, "", fmt.Sprintf("inbox_webhook /hook {\nname %s\nto %s {\nname app\n}\n}", source, app.addr()))
	refused, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	caddymodule.RegisterMetricsOfAnother(t, refused.GetMetricsRegistry())
	gatherOf(t, refused.GetMetricsRegistry()).want(t, series{
		"inbox_store_up{}": 1,
		ofRoute("inbox_route_waiting", source, "app"):                                                  0,
		requests(source, "accepted", ""):                                                               0,
		`inbox_secret_valid{secret="` + caddymodule.Fingerprint(secret) + `",source="` + source + `"}`: 1,
	})
}

// In pass mode there is no store; what can be counted is.
func TestMetricsOfPassMode(t *testing.T) {
	const source = "m-pass"
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	app := newApp(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.Header.Get("X-Inbox-Event-Type") == "message.failed" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	in := start(t, "", fmt.Sprintf("route /hook {\ninbox_webhook {\nname %s\npass\n}\nreverse_proxy %s\n}", source, app.addr()))
	_, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	post(t, in.url("/hook"), body)
	post(t, in.url("/hook"), append([]byte(" "), body...))
	_, body = sample(t, "message.failed")
	post(t, in.url("/hook"), body)
	got := gather(t)
	got.want(t, series{
		requests(source, "accepted", ""):                                                               1,
		requests(source, "duplicate", ""):                                                              2,
		requests(source, "rejected", "unavailable"):                                                    1,
		`inbox_duplicates_total{caught="cache",source="` + source + `"}`:                               2,
		`inbox_duplicates_total{caught="store",source="` + source + `"}`:                               0,
		signatures(source, caddymodule.Fingerprint(secret)):                                            4,
		`inbox_secret_valid{secret="` + caddymodule.Fingerprint(secret) + `",source="` + source + `"}`: 1,
	})
	if _, ok := got["inbox_store_up{}"]; ok {
		t.Error("there is a metric of a store that is not open")
	}
}
