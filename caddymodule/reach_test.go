package caddymodule

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/testapp"
)

func proxyTLS(addr string) string {
	return fmt.Sprintf(`{"handler":"reverse_proxy","transport":{"protocol":"http","tls":{"insecure_skip_verify":true}},"upstreams":[{"dial":%q}]}`, addr)
}

// overTLS answers each connection by f, once its handshake is done and one
// request was read.
func overTLS(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler()) // For its certificate.
	s.Close()
	return testapp.ByHand(t, func(c *net.TCPConn, _ int) {
		defer c.Close()
		over := tls.Server(c, &tls.Config{Certificates: s.TLS.Certificates, MinVersion: tls.VersionTLS12})
		if _, err := http.ReadRequest(bufio.NewReader(over)); err == nil {
			f(c)
		}
	})
}

// An app that breaks TLS after it has read the request may have acted on it:
// that is an attempt like another. Only what fails in the handshake is none.
func TestTLSErrorAfterTheRequest(t *testing.T) {
	t.Parallel()
	garbage := append([]byte{23, 3, 3, 0, 64}, make([]byte, 64)...) // A record that nobody encrypted.
	closed := overTLS(t, func(net.Conn) {})
	broken := overTLS(t, func(c net.Conn) {
		_, _ = c.Write(garbage)
		_, _ = c.Read(make([]byte, 64)) // Until the client has seen it and gone.
	})
	mutual := httptest.NewUnstartedServer(http.NotFoundHandler())
	mutual.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
	mutual.StartTLS()
	t.Cleanup(mutual.Close)
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10} //nolint:gosec // The case is a server that is too old.
	old.StartTLS()
	t.Cleanup(old.Close)
	for name, c := range map[string]struct {
		to    string
		reach deliver.Reach
	}{
		"closed without an answer":    {closed, deliver.Broken},
		"a broken record":             {broken, deliver.Broken},
		"no certificate of ours":      {mutual.Listener.Addr().String(), deliver.Unreached},
		"no TLS version that we have": {old.Listener.Addr().String(), deliver.Unreached},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			got := proxyTo(t, proxyTLS(c.to)).Attempt(ctx, attemptOf([]byte("{}")))
			if c.reach == deliver.Unreached && got.Reach == deliver.Broken && (errors.Is(got.Err, syscall.ECONNRESET) || errors.Is(got.Err, syscall.EPIPE)) {
				// A server that ends with the request unread may reset the connection
				// before its alert has been read.
				return
			}
			if got.Reach != c.reach {
				t.Errorf("reach is %d, want %d: %v", got.Reach, c.reach, got.Err)
			}
		})
	}
}
