// Package address says what an address means before anything is dialled: whether a
// text names an upstream, whether an upstream is a listener of this machine, whether
// a name is public, and which ports are shared with another process.
//
// Guarantee: no function sends anything over a network by itself.
//
// Limits: a name counts as one of this machine if that is known without a
// look-up, or by the resolver that a caller gives.
package address

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// Meets reports whether what dials the host dial comes to a listener on the host
// listen. An empty listen is every interface.
func Meets(listen, dial string) bool {
	to := hostAddress(dial)
	if !to.IsValid() {
		return strings.EqualFold(listen, dial) && dial != ""
	}
	if at := hostAddress(listen); listen != "" && at.IsValid() && !at.IsUnspecified() {
		return at == to || at.IsLoopback() && to.IsUnspecified() || strings.EqualFold(dial, "localhost") && at.IsLoopback()
	}
	if to.IsLoopback() || to.IsUnspecified() {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap() == to {
				return true
			}
		}
	}
	return false
}

// Resolver returns the addresses of a name. A nil one knows none.
type Resolver func(host string) []netip.Addr

// MeetsName reports whether what dials the host dial, which may be a name, comes to
// a listener on the host listen. Of names it knows this machine's own, and those that
// resolve knows.
func MeetsName(listen, dial string, resolve Resolver) bool {
	if hostAddress(dial).IsValid() || strings.EqualFold(listen, dial) && dial != "" {
		return Meets(listen, dial)
	}
	name := strings.TrimSuffix(dial, ".")
	at := hostAddress(listen)
	if own, err := os.Hostname(); err == nil && name != "" && strings.EqualFold(own, name) && (listen == "" || at.IsValid() && at.IsUnspecified()) {
		return true
	}
	if resolve == nil || name == "" {
		return false
	}
	return slices.ContainsFunc(resolve(name), func(a netip.Addr) bool { return Meets(listen, a.Unmap().String()) })
}

// hostAddress returns the address of a host that needs no look-up.
func hostAddress(host string) netip.Addr {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}

// privateNames end names that no public authority knows.
var privateNames = []string{"localhost", "local", "internal", "lan", "home", "corp", "intranet", "test", "invalid", "home.arpa", "svc", "cluster.local"}

// Public reports whether host is a name that a public authority gives certificates
// for.
func Public(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") || strings.Contains(host, "{") {
		return false
	}
	return !slices.ContainsFunc(privateNames, func(end string) bool { return strings.HasSuffix(host, "."+end) })
}
