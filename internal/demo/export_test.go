package demo

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/verify"
)

// roundTrip is a transport made of one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Of plays the demo's story with a platform that cheats. tampered is asked
// about each request: a nil body is never sent and yet answered with status,
// another body is sent instead of the right one, another status than 200 is
// what the platform is told.
func Of(ctx context.Context, out io.Writer, tampered func(n int, body []byte) (send []byte, status int)) ([]string, error) {
	honest := &http.Transport{}
	defer honest.CloseIdleConnections()
	var d *demo
	var n atomic.Int64
	d, err := open(ctx, out, "127.0.0.1:0", roundTrip(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		send, status := tampered(int(n.Add(1))-1, body)
		if send == nil {
			return &http.Response{
				StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
				Header: http.Header{"X-Inbox-Result": {accepted}}, Body: http.NoBody,
			}, nil
		}
		r = r.Clone(r.Context())
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(send)), int64(len(send))
		if !bytes.Equal(send, body) {
			r.Header.Set(verify.Header, verify.Sign([]byte(d.platform.webhook.Secret), send))
		}
		resp, err := honest.RoundTrip(r)
		if err == nil && status != http.StatusOK {
			resp.StatusCode = status
		}
		return resp, err
	}))
	if err != nil {
		return nil, err
	}
	faults := d.play(ctx)
	return faults, d.close(false)
}

// Paced plays the demo's story, and tells each pause that a reader would have.
func Paced(ctx context.Context, out io.Writer, pause func(time.Duration)) (faults []string, paused time.Duration, err error) {
	d, err := open(ctx, out, "127.0.0.1:0", nil)
	if err != nil {
		return nil, 0, err
	}
	d.pace = &pace{pause: pause}
	faults = d.play(ctx)
	return faults, d.pace.total(), d.close(false)
}

// PausesFor reports whether the story would be slowed down for out.
func PausesFor(ctx context.Context, out io.Writer) bool { return paceFor(ctx, out) != nil }
