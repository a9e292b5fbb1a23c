package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/verify"
)

const benchSecret = "a-secret-of-the-benchmark"

// provisioned is a started app with one webhook whose only route cannot be
// reached, so that it is soon held and only the accept is measured.
func provisioned(b *testing.B) *Webhook {
	b.Helper()
	b.Setenv(env.Secret, benchSecret)
	conf, err := json.Marshal(App{DataDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	ctx, err := caddy.ProvisionContext(&caddy.Config{
		Admin: &caddy.AdminConfig{Disabled: true},
		// Lines are made, and written nowhere: a terminal's speed is not ours.
		Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{
			WriterRaw: json.RawMessage(`{"output":"discard"}`), EncoderRaw: json.RawMessage(`{"format":"json"}`),
		}}}},
		AppsRaw: caddy.ModuleMap{appID: conf},
	})
	if err != nil {
		b.Fatal(err)
	}
	h := new(Webhook)
	h.Routes = []Route{{Name: "app", HandleRaw: []json.RawMessage{json.RawMessage(proxy("127.0.0.1:1"))}}}
	if err := h.Provision(ctx); err != nil {
		b.Fatal(err)
	}
	if err := h.app.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := h.app.Stop(); err != nil {
			b.Error(err)
		}
		d := h.app.dispatcher
		if err := h.app.Cleanup(); err != nil {
			b.Error(err)
		}
		_ = d.Drain(b.Context())
	})
	return h
}

type quiet struct{ header http.Header }

func (q *quiet) Header() http.Header         { return q.header }
func (q *quiet) Write(p []byte) (int, error) { return len(p), nil }
func (q *quiet) WriteHeader(int)             {}

var noMore = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })

// serve answers one request of body, as Caddy's server would have it prepared.
func serve(h caddyhttp.MiddlewareHandler, body []byte, signature string) error {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/inbox", bytes.NewReader(body))
	r.Header.Set(verify.Header, signature)
	r.Header.Set("Content-Type", "application/json")
	w := &quiet{header: make(http.Header)}
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, new(caddyhttp.Server))
	return h.ServeHTTP(w, r, noMore)
}

// reader is the yardstick: it reads the body and answers.
type reader struct{}

func (reader) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if _, err := io.ReadAll(r.Body); err != nil {
		return err
	}
	_, err := w.Write(bodyOK)
	return err
}

func BenchmarkServe(b *testing.B) {
	sample, err := event.Sample(event.TypeMessageRead, time.Now(), nil)
	if err != nil {
		b.Fatal(err)
	}
	body, err := sample.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	run := func(b *testing.B, h caddyhttp.MiddlewareHandler, fresh bool) {
		b.ReportAllocs()
		b.SetParallelism(32) // 64 connections on two cores.
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				body := body
				if fresh {
					id := fmt.Sprintf("evt_%016x", uint64(n.Add(1))*0x9e3779b97f4a7c15)
					body = bytes.Replace(body, []byte(sample.ID), []byte(id), 1)
				}
				if err := serve(h, body, verify.Sign([]byte(benchSecret), body)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.Run("yardstick", func(b *testing.B) { run(b, reader{}, true) })
	b.Run("new", func(b *testing.B) { run(b, provisioned(b), true) })
	b.Run("duplicate", func(b *testing.B) { run(b, provisioned(b), false) })
}
