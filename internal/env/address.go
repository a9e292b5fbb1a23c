package env

import (
	"context"
	"net"
	"net/netip"
	"os"
	"time"
)

// AdminAddress returns the address of the operator's API that the environment names,
// or "" if it names none or turns the API off.
func AdminAddress() string {
	if address := os.Getenv(Admin); address != "off" {
		return address
	}
	return ""
}

// Loopback reports whether only this machine reaches a listener on host. What is
// no address and cannot be looked up counts as one that others reach.
func Loopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	if host == "" {
		return false // Every interface.
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(all) == 0 {
		return host == "localhost"
	}
	for _, ip := range all {
		if !ip.Unmap().IsLoopback() {
			return false
		}
	}
	return true
}

// DialHost returns an address at which a listener on host can be reached.
func DialHost(host string) string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return "127.0.0.1"
	}
	return host
}
