package address

import (
	"net"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFix(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"::1:3000":                     "[::1]:3000",
		"::1":                          "[::1]:3000",
		"[::1]":                        "[::1]:3000",
		"[::1]3000":                    "[::1]:3000",
		"fe80::1%eth0:3000":            "[fe80::1%eth0]:3000",
		"fe80::1%eth0":                 "[fe80::1%eth0]:3000",
		"2001:db8::5:8080":             "[2001:db8::5]:8080",
		"2001:db8:1:2:3:4:5:6":         "[2001:db8:1:2:3:4:5:6]:3000",
		"2001:db8:1:2:3:4:5:6:80":      "[2001:db8:1:2:3:4:5:6]:80",
		"http://::1:3000":              "http://[::1]:3000",
		"http://::1:3000/x?y=1":        "http://[::1]:3000/x?y=1",
		"http://[fe80::1%eth0]:3000/x": "http://[fe80::1%25eth0]:3000/x",
		"app":                          "app:3000",
		"app:":                         "app:3000",
		"127.0.0.1":                    "127.0.0.1:3000",
		"3001":                         "127.0.0.1:3001",
		":3001":                        "127.0.0.1:3001",
		"app:80:3000":                  "app:3000",
		"127.0.0.1:80:3000":            "127.0.0.1:3000",
		"app/hooks":                    "http://app:3000/hooks",
		"app:3000/hooks":               "http://app:3000/hooks",
		"app:3000/":                    "http://app:3000",
		"::1:3000/hooks":               "http://[::1]:3000/hooks",
		"http:/app:3000":               "http://app:3000",
		"http:app:3000":                "http://app:3000",
		"http//app:3000/x":             "http://app:3000/x",
		"http:///app:3000":             "http://app:3000",
		"http;//app:3000":              "http://app:3000",
		"htpp://app:3000":              "http://app:3000",
		"htps://app/x":                 "https://app/x",
		"tcp://app:3000":               "http://app:3000",
		"//app:3000":                   "http://app:3000",
		"unix:/run/app.sock":           "unix//run/app.sock",
		"unix:///run/app.sock":         "unix//run/app.sock",
		"unix:////run/app.sock":        "unix//run/app.sock",
		"unix:app.sock":                "unix//app.sock",
		"/run/app.sock":                "unix//run/app.sock",
		"":                             "",
		"/":                            "",
		"a b":                          "",
		"user@app:3000":                "app:3000",
		"X=app:3000":                   "app:3000",
		"X=app":                        "",
		"://":                          "",
	} {
		wrong, got := Fix(given, "3000")
		if got != want || (wrong == "") != (want == "") {
			t.Errorf("%q: %q, write %q; want %q", given, wrong, got, want)
		}
	}
}

// Whatever was written, what is proposed is an address: it has a host and a port, or
// is a URL or a socket, and needs no fix itself.
func TestFixProposesWhatIsRight(t *testing.T) {
	t.Parallel()
	part := rapid.OneOf(
		rapid.SampledFrom([]string{"http", "https", "h2c", "unix", "app", "::1", "fe80::1%eth0", "[::1]", "10.0.0.1", ":", "://", "/", "//", "3000", "80", "@", "?", "x=", "%", " "}),
		rapid.StringMatching(`[a-z0-9:./\[\]%_-]{0,6}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(part, 1, 6).Draw(t, "parts"), "")
		_, write := Fix(s, "3000")
		switch {
		case write == "" || strings.HasPrefix(write, "unix//"):
			return
		case strings.Contains(write, "://"):
			if u, err := url.Parse(write); err != nil || u.Hostname() == "" {
				t.Fatalf("%q: %q is no URL: %v", s, write, err)
			}
			return
		}
		if host, port, err := net.SplitHostPort(write); err != nil || !IsHost(host) || !isPort(port) {
			t.Fatalf("%q: %q is no address: %v", s, write, err)
		}
	})
}
