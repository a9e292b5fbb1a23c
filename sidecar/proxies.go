package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// privateRanges is Caddy's word for the networks that are not of the internet.
const privateRanges = "private_ranges"

// proxies turns INBOX_TRUSTED_PROXIES into networks.
func proxies(s *settings, value string) error {
	words, err := list(value)
	if err != nil {
		return err
	}
	for _, w := range words {
		_, notNetwork := netip.ParsePrefix(w)
		_, notAddress := netip.ParseAddr(w)
		if w != privateRanges && notNetwork != nil && notAddress != nil {
			return fmt.Errorf("'%s' is no network: write 10.0.0.0/8, 192.0.2.7, or %s for all that are not of the internet", w, privateRanges)
		}
	}
	s.Proxies = words
	return nil
}

// TLS tells whether the site has a certificate.
func (s settings) TLS() bool { return strings.HasPrefix(s.Others, "https") }

// clear is an address that is listened on without TLS.
type clear struct {
	Address string
	// Proxied: what comes there may come through a trusted proxy.
	Proxied bool
}

// ClearAddresses are those without TLS, in the form that Caddy knows them by.
func (s settings) ClearAddresses() []clear {
	var all []clear
	add := func(site, bind string, proxied bool) {
		_, port, err := net.SplitHostPort(strings.TrimPrefix(site, "http://"))
		if err != nil {
			return // There is none.
		}
		c := clear{net.JoinHostPort(bind, port), proxied}
		if !slices.ContainsFunc(all, func(o clear) bool { return o.Address == c.Address }) {
			all = append(all, c)
		}
	}
	if s.TLS() {
		all = append(all, clear{":80", false}) // Where Caddy sends clients on to HTTPS.
	} else {
		site := strings.TrimPrefix(s.Site, "http://")
		if !strings.Contains(site, ":") { // http://hooks.example.com
			site += ":80"
		}
		add(site, s.Bind, len(s.Proxies) > 0)
	}
	add(s.Ops, s.OpsBind, false)
	add(s.Operator, s.OperatorBind, false)
	if !s.Dashboard.Unix() {
		add(s.Dashboard.Site, s.Dashboard.Bind, false)
	}
	return all
}
