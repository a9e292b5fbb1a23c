package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/inboxgate/inboxgate/internal/address"
)

// listen turns INBOX_LISTEN into a site. In a Caddyfile, 127.0.0.1:8080 is the
// name of a site, with a certificate of a local authority and no answer under
// any other name. Here an address of the machine means what it means
// everywhere else: listen on it, with plain HTTP. A host name is a site.
func (s *settings) listen(value string) error {
	scheme, rest, ok := strings.Cut(value, "://")
	if !ok {
		scheme, rest = "", value
	}
	if scheme != "" && scheme != "http" && scheme != "https" {
		return fmt.Errorf("'%s' is no scheme to listen with: leave it out, or write http or https", scheme)
	}
	host, port, err := splitAddress(rest, "8080")
	if err != nil {
		return err
	}
	if onMachine(host) {
		if port == "" {
			return fmt.Errorf("'%s' has no port: write it as :8080", value)
		}
		if scheme == "https" || port == "443" {
			return errors.New("HTTPS needs a host name for its certificate: write it as hooks.example.com")
		}
		s.Site, s.Bind = "http://:"+port, host
		return nil
	}
	if scheme == "" && port == "" && mistypedPort(host) {
		return fmt.Errorf("'%s' looks like a port that is mistyped: write a port as :8080, a host name as hooks.example.com", value)
	}
	s.Site = value
	if scheme == "" && port == "80" {
		scheme = "http"
	}
	if scheme != "http" {
		scheme = "https"
	}
	s.Others = scheme + "://"
	if port != "" {
		s.Others += ":" + port
	}
	return nil
}

func onMachine(host string) bool {
	_, err := netip.ParseAddr(host)
	return host == "" || host == "localhost" || err == nil
}

// splitAddress takes an address to listen on apart. The port stands in the fix where
// the address has none.
func splitAddress(s, example string) (host, port string, err error) {
	wrong := fmt.Errorf("'%s' is no address: write one as :8080, 127.0.0.1:8080 or hooks.example.com", s)
	if what, write := address.Fix(s, example); strings.HasPrefix(write, "[") {
		wrong = fmt.Errorf("'%s' %s: write it as %s", s, what, write)
	}
	host = s
	if strings.Contains(s, ":") {
		if host, port, err = net.SplitHostPort(s); err != nil {
			return "", "", wrong
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", "", wrong
		}
	}
	if host == "" && port == "" || !onMachine(host) && !isHostName(host) {
		return "", "", wrong
	}
	if _, err := strconv.Atoi(host); err == nil {
		return "", "", fmt.Errorf("'%s' is a port without its colon: write it as :%s", s, s)
	}
	return host, port, nil
}

// mistypedPort reports whether a host name is more likely a port with a wrong key in
// it: one word, and digits for the most part. No public authority signs such a name.
func mistypedPort(host string) bool {
	digits := 0
	for _, c := range []byte(host) {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	return !strings.Contains(host, ".") && 2*digits > len(host)
}

// isHostName reports whether s may be a host name. A last label of digits alone is
// that of an IP address, which s is not.
func isHostName(s string) bool {
	if i := strings.LastIndexByte(s, '.'); i >= 0 {
		if _, err := strconv.Atoi(s[i+1:]); err == nil {
			return false
		}
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		for _, c := range []byte(label) {
			if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				return false
			}
		}
	}
	return true
}
