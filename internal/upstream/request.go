package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// NewRequest returns the platform's request as it came, and what we add, for the attempt
// numbered n of a delivery.
func NewRequest(ctx context.Context, d spool.Delivery, n int) (*http.Request, error) {
	e := d.Event
	u, err := url.ParseRequestURI(e.Request.URI)
	if err != nil {
		return nil, fmt.Errorf("parsing the stored URI: %w", err)
	}
	head := make(http.Header, len(e.Request.Header)+8)
	for name, values := range e.Request.Header {
		head[name] = slices.Clone(values) // Handlers change values in place, and other routes share them.
	}
	key := e.ID
	if d.Replay > 0 {
		replay := strconv.Itoa(d.Replay)
		head["X-Inbox-Replay"] = []string{replay}
		key += ":r" + replay
	}
	head["Idempotency-Key"] = []string{key}
	head["X-Inbox-Event-Id"] = []string{e.ID}
	head["X-Inbox-Event-Type"] = []string{e.Type}
	head["X-Inbox-Source"] = []string{e.Source}
	head["X-Inbox-Route"] = []string{d.Route.Route}
	head["X-Inbox-Attempt"] = []string{strconv.Itoa(n)}
	req := &http.Request{
		Method:        e.Request.Method,
		URL:           u,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        head,
		Body:          io.NopCloser(bytes.NewReader(e.Request.Body)),
		ContentLength: int64(len(e.Request.Body)),
		Host:          e.Request.Host,
		RemoteAddr:    e.Request.RemoteAddr,
		RequestURI:    e.Request.URI,
	}
	if e.Request.Scheme == "https" {
		// reverse_proxy derives X-Forwarded-Proto from this alone.
		req.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: e.Request.Host}
	}
	return req.WithContext(ctx), nil
}
