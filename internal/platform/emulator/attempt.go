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

// UserAgent of the deliveries.
//
// OUR ASSUMPTION: the documentation names none.
const UserAgent = "Inbox-Webhooks/1.0"

const (
	maxAnswer = 64 << 10 // bytes read of a receiver's answer
	maxText   = 200      // bytes kept of what a receiver made us say
)

// newClient follows no redirects: they are no 2xx.
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

// shot is one request, complete but for its time.
type shot struct {
	url, webhook, secret string
	content              content
	fault                fault
	first                bool // faults of the wire are for the first attempt
	ahead                time.Duration
}

func (e *Emulator) aim(h *endpoint, t turn) shot {
	return shot{
		url: h.hook.URL, webhook: h.hook.ID, secret: h.hook.Secret,
		content: t.d.content, fault: t.d.fault, first: !t.extra && t.d.counted == 0,
		ahead: e.advanced,
	}
}

// outcome of one request.
type outcome struct {
	at      time.Time
	ahead   time.Duration
	took    time.Duration
	status  int
	problem string // why there is no status
	result  string
	ended   bool // by our own end, not by the receiver
}

func (o outcome) ok() bool { return o.status >= 200 && o.status <= 299 }

// shoot makes a request and waits for its answer.
func (e *Emulator) shoot(life context.Context, s shot) outcome {
	ctx, cancel := context.WithTimeout(life, platform.AttemptTimeout)
	defer cancel()
	o := outcome{at: time.Now(), ahead: s.ahead}
	req, err := s.request(ctx)
	if err == nil {
		var resp *http.Response
		if resp, err = e.client.Do(req); err == nil {
			o.status, o.result = resp.StatusCode, tidy(resp.Header.Get("X-Inbox-Result"))
			// The rest says nothing, but read it lets the connection live on.
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

func (s shot) request(ctx context.Context) (*http.Request, error) {
	body := s.content.bytes()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if s.first && s.fault.Wire != "" {
		req.GetBody = nil // else the transport could send the whole after all
		req.Body = io.NopCloser(&faulty{ctx: ctx, body: body, fault: s.fault})
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", UserAgent)
	if s.fault.forged() {
		s.fault.forge(req.Header, s.webhook, s.secret, body)
	} else {
		req.Header.Set(verify.Header, verify.Sign([]byte(s.secret), body))
	}
	return req, nil
}

// problem says in one short line why there was no answer.
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

// tidy makes one short line of what a receiver may have had a hand in.
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

// faulty is a body that comes slowly, or breaks off in its middle.
type faulty struct {
	ctx   context.Context
	body  []byte
	fault fault
	sent  int
}

// drops is in how many parts a slow body comes.
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
