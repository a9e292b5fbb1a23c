package caddymodule

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/inboxgate/inboxgate/internal/testapp"
)

// readRequest reads one whole request.
func readRequest(r *bufio.Reader) error {
	req, err := http.ReadRequest(r)
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	return err
}

// says answers each connection's first request with those bytes, and closes it.
func says(t *testing.T, text string) string {
	t.Helper()
	return testapp.ByHand(t, func(c *net.TCPConn, _ int) {
		defer c.Close()
		if readRequest(bufio.NewReader(c)) == nil {
			_, _ = io.WriteString(c, text)
		}
	})
}

// refusing is an address that nobody listens on.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// hanging accepts connections and says nothing.
func hanging(t *testing.T) (address string, conns *atomic.Int32) {
	t.Helper()
	conns = new(atomic.Int32)
	return testapp.ByHand(t, func(*net.TCPConn, int) { conns.Add(1) }), conns
}

// route is what the Caddyfile makes of `to` with those addresses.
func route(t *testing.T, addresses ...string) *chain {
	t.Helper()
	text := fmt.Sprintf(":80 {\n\tinbox_webhook {\n\t\tsecret {env.SECRET}\n\t\tto %s {\n\t\t\tname r\n\t\t}\n\t}\n}\n", strings.Join(addresses, " "))
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct {
					Routes []struct {
						Handle []struct {
							Routes []struct {
								Handle []json.RawMessage `json:"handle"`
							} `json:"routes"`
						} `json:"handle"`
					} `json:"routes"`
				} `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	for _, s := range config.Apps.HTTP.Servers {
		var handlers []string
		for _, h := range s.Routes[0].Handle[0].Routes[0].Handle {
			handlers = append(handlers, string(h))
		}
		return proxyTo(t, handlers...)
	}
	t.Fatal("no server")
	return nil
}
