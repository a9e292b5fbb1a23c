package emulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/verify"
)

// UserAgent is the User-Agent header of every delivery.
//
// OUR ASSUMPTION: the documentation names none.
const UserAgent = "Inbox-Webhooks/1.0"

const (
	maxAnswer = 64 << 10 // bytes read of a receiver's answer
	maxText   = 200      // bytes kept of an error or a header that a receiver caused
)

// newClient returns the client of the deliveries. It follows no redirects: they are
// no 2xx.
func newClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = &http.Transport{
			DialContext:            (&net.Dialer{Timeout: platform.AttemptTimeout}).DialContext,
			TLSHandshakeTimeout:    platform.AttemptTimeout,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    defaultInFlight,
			IdleConnTimeout:        30 * time.Second,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxAnswer,
		}
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// request is all that an attempt needs of the emulator, copied under its lock.
type request struct {
	// url, webhook (an id) and secret are those of the webhook.
	url, webhook, secret string
	content              content
	fault                fault
	// first reports that it is the first counted attempt, which alone has the faults
	// of the wire.
	first bool
	// ahead is how far the emulator's clock was ahead of the machine's.
	ahead time.Duration
}

// prepare returns the request of a turn. The caller holds mu.
func (e *Emulator) prepare(h *endpoint, t turn) request {
	return request{
		url: h.hook.URL, webhook: h.hook.ID, secret: h.hook.Secret,
		content: t.d.content, fault: t.d.fault, first: !t.extra && t.d.counted == 0,
		ahead: e.advanced,
	}
}

// outcome is what came of one request.
type outcome struct {
	at      time.Time     // when it began, by the machine's clock
	ahead   time.Duration // see request
	took    time.Duration
	status  int    // HTTP status, 0 without an answer
	problem string // why there is no status
	result  string // the answer's X-Inbox-Result
	ended   bool   // cut short by Close or Reset, not by the receiver
}

// ok reports whether the receiver took the delivery.
func (o outcome) ok() bool { return o.status >= 200 && o.status <= 299 }

// attempt makes a request and waits for its answer, for AttemptTimeout at most.
func (e *Emulator) attempt(life context.Context, r request) outcome {
	ctx, cancel := context.WithTimeout(life, platform.AttemptTimeout)
	defer cancel()
	o := outcome{at: time.Now(), ahead: r.ahead}
	req, err := r.build(ctx)
	if err == nil {
		var resp *http.Response
		if resp, err = e.client.Do(req); err == nil {
			o.status, o.result = resp.StatusCode, tidy(resp.Header.Get("X-Inbox-Result"))
			// The body is not needed, but a connection is only reused once it was read.
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
			_ = resp.Body.Close()
		}
	}
	o.took = time.Since(o.at)
	if err != nil {
		o.ended = life.Err() != nil
		o.problem = problem(ctx, err)
	}
	return o
}

// build returns the request as net/http sends it, signed or forged.
func (r request) build(ctx context.Context) (*http.Request, error) {
	body := r.content.bytes()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if r.first && r.fault.Wire != "" {
		req.GetBody = nil // The transport would repeat the request with the whole body.
		req.Body = io.NopCloser(&faulty{ctx: ctx, body: body, fault: r.fault})
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", UserAgent)
	if r.fault.forged() {
		r.fault.forge(req.Header, r.webhook, r.secret, body)
	} else {
		req.Header.Set(verify.Header, verify.Sign([]byte(r.secret), body))
	}
	return req, nil
}

// problem returns one short line on why there was no answer.
func problem(ctx context.Context, err error) string {
	var asURL *url.Error
	if errors.As(err, &asURL) {
		err = asURL.Err
	}
	switch {
	case errors.Is(err, errCut):
		return errCut.Error()
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %v", platform.AttemptTimeout)
	}
	return tidy(err.Error())
}

// tidy returns text that a receiver may have written as one short printable line.
func tidy(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}

var errCut = errors.New("the emulator cut the connection")

// faulty is a request body that comes slowly, or breaks off in its middle.
type faulty struct {
	ctx   context.Context
	body  []byte
	fault fault
	sent  int // bytes read of body
}

// drops is the number of parts that a slow body comes in.
const drops = 8

func (f *faulty) Read(p []byte) (int, error) {
	end := len(f.body)
	part := len(f.body)
	if f.fault.Wire == wireCut {
		end /= 2
	}
	if f.fault.Wire == wireSlow && f.sent < end {
		part = (len(f.body) + drops - 1) / drops
		timer := time.NewTimer(time.Duration(f.fault.Drip) / drops)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-f.ctx.Done():
			return 0, context.Cause(f.ctx)
		}
	}
	if f.sent == end {
		if f.fault.Wire == wireCut {
			return 0, errCut
		}
		return 0, io.EOF
	}
	n := copy(p, f.body[f.sent:min(end, f.sent+part)])
	f.sent += n
	return n, nil
}
