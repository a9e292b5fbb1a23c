package address

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Fix says what is wrong with the form of an address, and how to write what was
// probably meant. Both are empty where no usual mistake explains it. The example
// port stands where the address has none.
func Fix(s, port string) (wrong, write string) {
	wrong, write = fix(s, port)
	if strings.Contains(write, "://") {
		if u, err := url.Parse(write); err != nil || u.Hostname() == "" {
			return "", ""
		}
	}
	return wrong, write
}

func fix(s, port string) (wrong, write string) {
	if path, ok := socket(s); ok {
		return "is a socket", "unix/" + path
	}
	if scheme, rest, ok := cutScheme(s); ok {
		return fixURL(scheme, rest, port)
	}
	if strings.HasPrefix(s, "//") && len(s) > 2 {
		return fixURL("", s[2:], port)
	}
	// NAME=app:3000 of an env file, user@app:3000 of a database.
	if at := strings.LastIndexAny(s, "=@"); at > 0 && isWhole(s[at+1:]) {
		return "is no address", s[at+1:]
	}
	host, path, _ := strings.Cut(s, "/")
	wrong, write = fixHost(host, port)
	switch {
	case path == "" && host == s:
		return wrong, write
	case write == "" && !isWhole(host):
		return "", ""
	case write == "":
		write = host
	}
	return "has a path and no scheme", strings.TrimSuffix("http://"+inURL(write)+"/"+path, "/")
}

// socket returns the absolute path of a Unix socket that is written in another way
// than Caddy's, unix//run/app.sock.
func socket(s string) (path string, ok bool) {
	for _, scheme := range []string{"unix://", "unix:", "unix"} {
		rest, found := strings.CutPrefix(s, scheme)
		if !found || scheme == "unix" && !strings.HasPrefix(rest, "///") {
			continue
		}
		return "/" + strings.TrimLeft(rest, "/"), rest != ""
	}
	return s, len(s) > 1 && s[0] == '/' && s[1] != '/'
}

// cutScheme takes off a scheme, also one whose mark has lost or gained a character.
func cutScheme(s string) (scheme, rest string, ok bool) {
	if scheme, rest, ok = strings.Cut(s, "://"); ok {
		return scheme, strings.TrimLeft(rest, "/"), isWord(scheme)
	}
	for _, known := range []string{"https", "http", "h2c"} {
		rest, ok := strings.CutPrefix(strings.ToLower(s), known)
		if !ok || rest == "" {
			continue
		}
		bare := strings.TrimLeft(rest, ":;/")
		mark := rest[:len(rest)-len(bare)]
		if mark == "" || mark == "/" || mark == ":" && isPort(bare) {
			continue // A host of that name.
		}
		return known, s[len(s)-len(bare):], true
	}
	return "", "", false
}

func isWord(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789+.-") == ""
}

func fixURL(scheme, rest, port string) (wrong, write string) {
	authority, path, hasPath := strings.Cut(rest, "/")
	if hasPath {
		path = "/" + path
	}
	wrong = "is no URL"
	if w, write := fixHost(authority, port); write != "" && w != noPort {
		wrong, authority = w, write
	}
	if host, _, _, _ := cutPort(authority); !IsHost(host) {
		return "", ""
	}
	return wrong, schemeOf(scheme) + "://" + inURL(authority) + path
}

// schemeOf is the scheme that was meant.
func schemeOf(s string) string {
	switch s = strings.ToLower(s); {
	case s == "h2c" || s == "https" || s == "http":
		return s
	case strings.HasSuffix(s, "s") && s != "ws":
		return "https"
	}
	return "http"
}

const noPort = "has no port"

// fixHost is Fix for a host and a port.
func fixHost(s, port string) (wrong, write string) {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil && n > 0 {
		return "is a port without a host", "127.0.0.1:" + s
	}
	host, own, bracketed, hasPort := cutPort(s)
	if !hasPort {
		own = port
	}
	ip, err := parseIP(host)
	switch {
	case err == nil && ip.Is6() && !bracketed:
		return "is an IPv6 address without brackets", "[" + host + "]:" + own
	case err == nil && ip.Is6() && !hasPort, err != nil && !hasPort && isName(host):
		if err == nil {
			host = "[" + host + "]"
		}
		return noPort, host + ":" + own
	case err == nil && !hasPort:
		return noPort, host + ":" + own
	case host == "" && hasPort:
		return "has no host", "127.0.0.1:" + own
	}
	// host:outer:inner, as containers publish ports.
	if name, outer, ok := strings.Cut(host, ":"); ok && hasPort && isPort(outer) && (isName(name) || name == "") {
		return "has two ports", orLoopback(name) + ":" + own
	}
	return "", ""
}

func orLoopback(host string) string {
	if host == "" {
		return "127.0.0.1"
	}
	return host
}

// cutPort takes a host and its port apart, with brackets or without. Of an IPv6
// address the last group is a port where the rest is still an address.
func cutPort(s string) (host, port string, bracketed, ok bool) {
	if inner, rest, found := strings.Cut(strings.TrimPrefix(s, "["), "]"); found && s[0] == '[' {
		port = strings.TrimPrefix(rest, ":")
		return inner, port, strings.HasPrefix(rest, ":") || rest == "", isPort(port)
	}
	at := strings.LastIndexByte(s, ':')
	if at < 0 {
		return s, "", false, false
	}
	host, port = s[:at], s[at+1:]
	if port == "" && !strings.HasSuffix(host, ":") {
		return host, "", false, false
	}
	if _, err := parseIP(s); err == nil {
		if _, err := parseIP(host); err != nil {
			return s, "", false, false
		}
	}
	if !isPort(port) {
		return s, "", false, false
	}
	return host, port, false, true
}

// parseIP is netip.ParseAddr with zones that an interface could have.
func parseIP(s string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(s)
	if err == nil && ip.Zone() != "" && !isName(ip.Zone()) {
		err = errZone
	}
	return ip, err
}

var errZone = errors.New("an interface has no such name")

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// IsHost reports whether a host could be reached under that name: a name, an
// address without brackets, or one with a placeholder in it.
func IsHost(s string) bool {
	if _, err := parseIP(s); err == nil || strings.Contains(s, "{") {
		return true
	}
	return isName(s)
}

// isName accepts the underscore, which services of a compose file have, and letters
// of any script.
func isName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x80 && r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// isWhole reports whether nothing is wrong with a host and port.
func isWhole(s string) bool {
	host, _, _, hasPort := cutPort(s)
	return hasPort && IsHost(host)
}

// inURL is a host and port as a URL has them: the zone of an address is escaped.
func inURL(hostPort string) string {
	if strings.Contains(hostPort, "%25") {
		return hostPort
	}
	return strings.ReplaceAll(hostPort, "%", "%25")
}
