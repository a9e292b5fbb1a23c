package caddymodule

import (
	"net"
	"net/netip"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A name that leads to this machine is a listener of ours, if the port is one and the
// listener takes what comes by that address.
func TestNamesThatLeadBackHere(t *testing.T) {
	t.Parallel()
	own := netip.MustParseAddr("127.0.0.1")
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() {
			own, _ = netip.AddrFromSlice(n.IP)
		}
	}
	names := map[string][]netip.Addr{
		"gate": {own}, "gate.example.com": {netip.MustParseAddr("192.0.2.1"), own}, "loopback": {netip.MustParseAddr("::1")},
		"app": {netip.MustParseAddr("192.0.2.1")},
	}
	asked := make(map[string]bool)
	resolve := func(host string) []netip.Addr {
		asked[host] = true
		return names[host]
	}
	for _, c := range []struct {
		listen, dial string
		want         bool
	}{
		{":8080", "gate:8080", true},
		{":8080", "http://gate.example.com:8080", true},
		{":8080", "gate.:8080", true},
		{":8080", "loopback:8080", true},
		{"0.0.0.0:8080", "gate:8080", true},
		{"127.0.0.1:8080", "gate:8080", own.IsLoopback()},
		{":8080", "app:8080", false},
		{":8080", "nobody:8080", false},
		{":8080", "other-port:3000", false},
	} {
		s := &guards{all: []*guard{{server: &caddyhttp.Server{Listen: []string{c.listen}}}}}
		if got := s.listensAt(c.dial, resolve); got != c.want {
			t.Errorf("listening on %s, %s: %t, want %t", c.listen, c.dial, got, c.want)
		}
		if s.listensAt(c.dial, nil) {
			t.Errorf("listening on %s, %s: known without asking", c.listen, c.dial)
		}
	}
	if asked["other-port"] {
		t.Error("a name with another port was asked for")
	}
}
