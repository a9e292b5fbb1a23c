package address

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Upstream is one address of an app.
type Upstream struct {
	// Dial is the address as Caddy's reverse_proxy takes it, with a scheme where
	// one was given.
	Dial string
	// URI replaces path and query of a request where the address is a full URL;
	// else it is empty.
	URI string
	// Bare is set if the URL's path is a single slash, which few who write it mean.
	Bare bool
}

// ParseUpstream reads an address as people write it: app:3000, a URL, unix//path, or
// a placeholder. Its error names the fix.
func ParseUpstream(s string) (Upstream, error) {
	if err := Fixed(s); err != nil {
		return Upstream{}, err
	}
	if strings.HasPrefix(s, "unix/") || strings.HasPrefix(s, "unix+h2c/") || strings.HasPrefix(s, "{") {
		return Upstream{Dial: s}, nil
	}
	if !strings.Contains(s, "://") {
		host, port, err := net.SplitHostPort(s)
		network, name, ok := strings.Cut(host, "/")
		if !ok || !strings.HasPrefix(network, "tcp") { // tcp4/app:3000 is Caddy's.
			name = host
		}
		if err != nil || port == "" || strings.Contains(port, "/") || !IsHost(name) {
			return Upstream{}, badUpstream(s, "is no address")
		}
		return Upstream{Dial: s}, checkPort(s, port)
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || strings.ContainsAny(s, "{}") {
		return Upstream{}, badUpstream(s, "is no URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "h2c" {
		eg := ""
		switch wrong, write := Fix(s, examplePort); {
		case strings.HasPrefix(write, "unix/"):
			return Upstream{}, fmt.Errorf("upstream '%s' %s: write it as %s", s, wrong, write)
		case write != "":
			eg = ", for example " + write
		}
		return Upstream{}, fmt.Errorf("upstream '%s' has the scheme %s: use http, https or h2c%s", s, u.Scheme, eg)
	}
	if u.User != nil || u.Fragment != "" {
		return Upstream{}, fmt.Errorf("upstream '%s' holds a user or a fragment: leave them out (a header goes into a handle block)", u.Redacted())
	}
	if !IsHost(u.Hostname()) {
		return Upstream{}, badUpstream(s, "is no URL")
	}
	if p := u.Port(); p != "" {
		if err := checkPort(s, p); err != nil {
			return Upstream{}, err
		}
	}
	up := Upstream{Dial: u.Scheme + "://" + u.Host}
	if u.Path != "" || u.RawQuery != "" {
		path := u.EscapedPath()
		if path == "" {
			path = "/"
		}
		up.URI = path + "?" + u.RawQuery
		up.Bare = path == "/" && u.RawQuery == "" && !u.ForceQuery
	}
	return up, nil
}

// examplePort stands in examples for the port of an app.
const examplePort = "3000"

// badUpstream returns an error that says how the address that was meant is written.
func badUpstream(s, byDefault string) error {
	wrong, write := Fix(s, examplePort)
	if write == "" {
		wrong, write = byDefault, "app:"+examplePort+" or http://app:"+examplePort+"/path"
	}
	return fmt.Errorf("upstream '%s' %s: write it as %s", s, wrong, write)
}

// Scheme returns the scheme of the address, empty if it has none.
func (u Upstream) Scheme() string {
	s, _, ok := strings.Cut(u.Dial, "://")
	if !ok {
		return ""
	}
	return s
}

// Fixed refuses an address that the sender of a request could choose.
func Fixed(address string) error {
	if strings.Contains(address, "{http.") || strings.Contains(address, "{vars.") {
		return fmt.Errorf("upstream '%s' depends on the request, so a sender could choose where events go: name it outright", address)
	}
	return nil
}

func checkPort(address, port string) error {
	if strings.Contains(port, "{") {
		return nil
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("upstream '%s' has the port %s: use a number from 1 to 65535", address, port)
	}
	return nil
}
