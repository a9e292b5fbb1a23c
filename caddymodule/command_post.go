package caddymodule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

// message is one signed request of the platform.
type message struct {
	id, typ   string
	body      []byte
	signature string
}

// reply is what the receiver answered, or why there is no answer.
type reply struct {
	status         int
	result, reason string
	took           time.Duration
	err            error
}

// sender plays the platform's part: it brings a message to a webhook once.
type sender interface {
	send(ctx context.Context, m message) reply
}

// poster sends as the platform does: one POST, no redirects.
type poster struct {
	to     string
	client *http.Client
}

func newPoster(to string, timeout time.Duration) *poster {
	return &poster{to: to, client: &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

// maxAnswer bounds what is read of an answer, so that its connection can be
// used again.
const maxAnswer = 64 << 10

func (p *poster) send(ctx context.Context, m message) reply {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.to, bytes.NewReader(m.body))
	if err != nil {
		return reply{err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "inboxgate-trigger")
	req.Header[verify.Header] = []string{m.signature}
	start := time.Now()
	resp, err := p.client.Do(req)
	if err != nil {
		return reply{took: time.Since(start), err: plainError(err, p.client.Timeout)}
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	resp.Body.Close()
	r := reply{
		status: resp.StatusCode,
		result: resp.Header.Get("X-Inbox-Result"),
		reason: resp.Header.Get("X-Inbox-Reason"),
		took:   time.Since(start),
	}
	if err != nil {
		r.err = plainError(err, p.client.Timeout)
	}
	return r
}

func (p *poster) close() { p.client.CloseIdleConnections() }

// plainError takes the request's line off: each line of output names it already.
func plainError(err error, timeout time.Duration) error {
	var timed net.Error
	if errors.As(err, &timed) && timed.Timeout() {
		return fmt.Errorf("no answer within %s", timeout)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// sampleMessage is a new event of a type, in the platform's words, signed.
func sampleMessage(typ string, now time.Time, secret []byte) (message, error) {
	e, err := event.Sample(typ, now, nil)
	if err != nil {
		return message{}, fmt.Errorf("making a %s event: %w", typ, err)
	}
	body, err := e.Marshal()
	if err != nil {
		return message{}, fmt.Errorf("making a %s event: %w", typ, err)
	}
	return message{id: e.ID, typ: typ, body: body, signature: verify.Sign(secret, body)}, nil
}

// forge signs a message anew as somebody would who does not know the secret.
func forge(m message, secret []byte) message {
	m.signature = verify.Sign(append([]byte("not "), secret...), m.body)
	return m
}
