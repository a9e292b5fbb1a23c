package page

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// policy is what a page may load: files of its own origin, and nothing inline.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// SetHeaders sets the headers of an answer that a browser shows.
func SetHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	// Not no-referrer: with it a browser sends "Origin: null" with the forms of a page, and
	// over plain HTTP, where it sends no Sec-Fetch-Site, no POST could be told from a
	// foreign one. No other origin gets a Referer.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
}

// Why a request was refused.
const (
	NoOrigin    = "no origin"
	OtherOrigin = "another origin"
)

// Secure returns a handler that sets the headers of SetHeaders, serves the files of this
// package, and refuses requests that may change something and do not come from a page of
// the same origin, with 403. refused, where not nil, is called with each of them and with
// NoOrigin or OtherOrigin. The paths of requests must not have the prefix any more.
func Secure(next http.Handler, refused func(r *http.Request, why string)) http.Handler {
	var origins http.CrossOriginProtection
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		SetHeaders(w.Header())
		why := ""
		switch {
		case safe(r.Method):
		case r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "":
			// CrossOriginProtection takes it for a program. Forms have browsers.
			why = NoOrigin
		case origins.Check(r) != nil:
			why = OtherOrigin
		}
		if why != "" {
			if refused != nil {
				refused(r, why)
			}
			http.Error(w, "403: this was not sent by a page of this address ("+why+"). Open the page again and use its buttons.", http.StatusForbidden)
			return
		}
		if name, ok := strings.CutPrefix(r.URL.Path, assetsAt); ok {
			serveAsset(w, r, name)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead
}

// IsLoopbackHost reports whether a Host header names this machine: localhost, a name below
// it, or an address of the loopback interface, with or without a port. Another name that
// leads to this machine is how a foreign page reaches it through DNS.
func IsLoopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// OnlyLoopbackHost returns a handler for a listener of the loopback interface, which
// refuses requests for any other name with 421.
func OnlyLoopbackHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !IsLoopbackHost(r.Host) {
			SetHeaders(w.Header())
			http.Error(w, "421: this page is for this machine: open it as http://127.0.0.1 or http://localhost, with its port.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
