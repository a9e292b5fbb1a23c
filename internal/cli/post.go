package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

// message is one signed request of the platform.
type message struct {
	id, typ   string // "-" where the body has none
	body      []byte
	signature string // the value of the header
}

// reply is what the receiver answered, or why there is no answer.
type reply struct {
	status         int    // 0 for no answer
	result, reason string // inboxgate's headers of the answer
	took           time.Duration
	err            error // why there is no answer, or no whole one
}

// sender posts a message to a webhook once.
type sender interface {
	send(ctx context.Context, m message) reply
}

// way says how a receiver is reached where its URL alone does not.
type way struct {
	host   string      // the Host to ask for, "" for the URL's
	header http.Header // to add
	tls    *tls.Config // nil for the system's
}

// wayFlags reads the flags that say how the receiver is reached.
func wayFlags(cmd *cobra.Command) (w way, err error) {
	f := cmd.Flags()
	w.host, _ = f.GetString("host")
	texts, _ := f.GetStringArray("header")
	file, _ := f.GetString("cacert")
	insecure, _ := f.GetBool("insecure")
	w.header = make(http.Header)
	for _, text := range texts {
		name, value, ok := strings.Cut(text, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return w, Usagef("--header %q is none: write it as 'name: value'", name)
		}
		w.header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	w.tls = &tls.Config{InsecureSkipVerify: insecure} //nolint:gosec // As the user asks, for a laptop.
	if file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return w, Usagef("reading --cacert: %w", err)
		}
		w.tls.RootCAs = x509.NewCertPool()
		if !w.tls.RootCAs.AppendCertsFromPEM(pem) {
			return w, Usagef("--cacert %s holds no certificate: give a PEM file", file)
		}
	}
	if w.host != "" {
		w.tls.ServerName, _, _ = strings.Cut(w.host, ":")
	}
	return w, nil
}

// dialLocal dials this machine for names under .localhost, as browsers and curl do:
// few resolvers know them.
func dialLocal(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	host, port, err := net.SplitHostPort(address)
	if err == nil && strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), ".localhost") {
		address = net.JoinHostPort("localhost", port)
	}
	return d.DialContext(ctx, network, address)
}

// poster sends as the platform does: one POST, no redirects.
type poster struct {
	to     string
	way    way
	client *http.Client
}

func newPoster(to string, timeout time.Duration, w way) *poster {
	return &poster{to: to, way: w, client: &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dialLocal, TLSClientConfig: w.tls, MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

// maxAnswer bounds what is read of an answer, so that its connection can be
// used again.
const maxAnswer = 64 << 10

// send implements sender.
func (p *poster) send(ctx context.Context, m message) reply {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.to, bytes.NewReader(m.body))
	if err != nil {
		return reply{err: err}
	}
	req.Host = cmp.Or(p.way.host, req.Host)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "inboxgate-trigger")
	req.Header[verify.Header] = []string{m.signature}
	for name, values := range p.way.header {
		req.Header[name] = values
	}
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

// plainError returns err without the URL, which each line of output names already.
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

// sampleMessage returns a new event of a type as the platform makes it, signed.
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

// forge returns m with a signature by another secret.
func forge(m message, secret []byte) message {
	m.signature = verify.Sign(append([]byte("not "), secret...), m.body)
	return m
}
