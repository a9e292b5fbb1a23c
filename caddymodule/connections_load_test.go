package caddymodule_test

import (
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/connections"
)

// On each of our servers, connections that send no whole head, or none after their
// first request, are closed beyond the bound; a good request meets room.
func TestWaitingConnectionsAreClosed(t *testing.T) {
	before := connections.Process().SetMax(8)
	t.Cleanup(func() { connections.Process().SetMax(before) })
	s := newSites(t)
	if err := s.load("http://:PORT {\nhandle /hook {\ninbox_webhook 127.0.0.1:1\n}\ninbox_health\nrespond 404\n}\n"); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"half a head": "POST /hook HTTP/1.1\r\nHost: a\r\nX-Padding: ",
		"no byte":     "",
		"idle":        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		var conns []net.Conn
		for range 40 {
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := fmt.Fprint(c, text); err != nil {
				t.Fatal(err)
			}
			if name == "idle" {
				if _, err := c.Read(make([]byte, 1024)); err != nil {
					t.Fatalf("%s: no answer: %v", name, err)
				}
			}
			conns = append(conns, c)
		}
		ended := make(chan struct{}, len(conns))
		for _, c := range conns {
			go func() {
				_, _ = c.Read(make([]byte, 1))
				ended <- struct{}{}
			}()
		}
		for n := range 32 {
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatalf("%s: only %d connections are closed", name, n)
			}
		}
		_, body := sample(t, "message.read")
		if got := s.post(t, "", "/hook", body); got.status != http.StatusOK {
			t.Errorf("%s: a good event is answered %+v", name, got)
		}
	}
}
