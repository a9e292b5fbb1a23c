package access_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/access"
)

// request returns a request from peer to local, both host:port, or over a Unix socket
// where local is "".
func request(peer, local, host string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host, r.RemoteAddr = host, peer
	var at net.Addr = &net.UnixAddr{Net: "unix"}
	if local != "" {
		at = addr(local)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, at))
}

type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

const here, there = "127.0.0.1:40000", "192.0.2.7:40000"

// Nobody is let in but who is known, or on this machine, whatever a client writes.
func TestJudge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		r              *http.Request
		user, clientIP string
		anyone         bool
		want           string
		status         int
	}{
		"user":                        {r: request(there, "192.0.2.1:443", "ops.example.com"), user: "alice", want: "alice"},
		"user behind a proxy":         {r: request(here, "127.0.0.1:9181", "ops.example.com", "X-Forwarded-For", "192.0.2.7"), user: "alice", want: "alice"},
		"user of blanks":              {r: request(there, "192.0.2.1:443", "ops.example.com"), user: " \x00\u202e ", status: 503},
		"stranger":                    {r: request(there, "192.0.2.1:443", "ops.example.com"), status: 503},
		"stranger says localhost":     {r: request(there, "192.0.2.1:443", "localhost"), status: 503},
		"loopback":                    {r: request(here, "127.0.0.1:9181", "127.0.0.1:9181"), want: access.Local},
		"loopback of v6":              {r: request("[::1]:40000", "[::1]:9181", "[::1]:9181"), want: access.Local},
		"loopback mapped":             {r: request("[::ffff:127.0.0.1]:40000", "[::ffff:127.0.0.1]:9181", "localhost"), want: access.Local},
		"tunnel with another port":    {r: request(here, "127.0.0.1:9181", "localhost:5000"), want: access.Local},
		"unix":                        {r: request("@", "", "localhost"), clientIP: "@", want: access.Local},
		"unix through a proxy":        {r: request("@", "", "localhost", "X-Forwarded-For", "192.0.2.7"), clientIP: "192.0.2.7", status: 503},
		"other client of a unix peer": {r: request("@", "", "localhost"), clientIP: "192.0.2.7", status: 503},
		"rebound name":                {r: request(here, "127.0.0.1:9181", "evil.example"), status: 403},
		"rebound name like ours":      {r: request(here, "127.0.0.1:9181", "localhost.evil.example:9181"), status: 403},
		"rebound number":              {r: request(here, "127.0.0.1:9181", "127.0.0.1.nip.io"), status: 403},
		"no name":                     {r: request(here, "127.0.0.1:9181", ""), status: 403},
		"to another address":          {r: request(here, "192.0.2.1:9181", "localhost"), status: 503},
		"nginx":                       {r: request(here, "127.0.0.1:9181", "127.0.0.1:9181", "X-Forwarded-For", "192.0.2.7"), status: 503},
		"proxy that lies":             {r: request(here, "127.0.0.1:9181", "localhost", "X-Forwarded-For", "127.0.0.1"), status: 503},
		"empty header of a proxy":     {r: request(here, "127.0.0.1:9181", "localhost", "X-Forwarded-For", ""), status: 503},
		"Forwarded":                   {r: request(here, "127.0.0.1:9181", "localhost", "Forwarded", "for=192.0.2.7"), status: 503},
		"X-Real-IP":                   {r: request(here, "127.0.0.1:9181", "localhost", "X-Real-IP", "192.0.2.7"), status: 503},
		"Via":                         {r: request(here, "127.0.0.1:9181", "localhost", "Via", "1.1 squid"), status: 503},
		"only the scheme":             {r: request(here, "127.0.0.1:9181", "localhost", "X-Forwarded-Proto", "https"), status: 503},
		"client known to the server":  {r: request(here, "127.0.0.1:9181", "localhost"), clientIP: "192.0.2.7", status: 503},
		"client is this machine":      {r: request(here, "127.0.0.1:9181", "localhost"), clientIP: "127.0.0.1", want: access.Local},
		"anyone":                      {r: request(there, "192.0.2.1:443", "ops.example.com"), anyone: true, want: access.Anyone},
		"anyone on this machine":      {r: request(here, "127.0.0.1:9181", "localhost"), anyone: true, want: access.Local},
		"anyone through a proxy here": {r: request(here, "127.0.0.1:9181", "ops.example.com"), anyone: true, want: access.Anyone},
	} {
		rule := access.Rule{Anyone: c.anyone, Fix: "Do this."}
		got, no := rule.Judge(c.r, c.user, c.clientIP)
		switch {
		case c.want != "" && (no != nil || got != c.want):
			t.Errorf("%s: got %q, %+v, want %q", name, got, no, c.want)
		case c.want == "" && (no == nil || got != "" || no.Status != c.status):
			t.Errorf("%s: got %q, %+v, want the status %d", name, got, no, c.status)
		case no != nil && !strings.Contains(no.Fix, "Do this."):
			t.Errorf("%s: the refusal names no fix: %+v", name, no)
		}
	}
}

// A proxy that adds no header speaks HTTP/1.0, as Debian's nginx does.
func TestOldVersionIsAProxy(t *testing.T) {
	t.Parallel()
	r := request(here, "127.0.0.1:9181", "127.0.0.1:9181")
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.0", 1, 0
	if name, no := (access.Rule{}).Judge(r, "", ""); no == nil || no.Status != 503 {
		t.Errorf("got %q, %+v", name, no)
	}
}

// A proxy that names itself in no header still shows: by ending its connections, as nginx
// does with proxy_http_version 1.1 before its version 1.30, by what its own proxy before it
// has added, and by pages that a browser has found under another address.
func TestProxyThatAddsNoHeader(t *testing.T) {
	t.Parallel()
	const at = "127.0.0.1:9181"
	for name, c := range map[string]struct {
		r    *http.Request
		near bool
	}{
		"ends its connection":        {request(here, at, at, "Connection", "close"), false},
		"keeps its connection":       {request(here, at, at, "Connection", "keep-alive"), true},
		"own page elsewhere, a form": {request(here, at, at, "Sec-Fetch-Site", "same-origin", "Origin", "https://ops.example"), false},
		"own page elsewhere, a look": {request(here, at, at, "Sec-Fetch-Site", "same-origin", "Referer", "https://ops.example/decide"), false},
		"own page here":              {request(here, at, at, "Sec-Fetch-Site", "same-origin", "Origin", "http://localhost:5000"), true},
		"no origin to tell":          {request(here, at, at, "Sec-Fetch-Site", "same-origin", "Origin", "null", "Referer", "http://[::1]:9181/"), true},
		"a link of another site":     {request(here, at, at, "Sec-Fetch-Site", "cross-site", "Referer", "https://wiki.example/"), true},
		"a delivery network":         {request(here, at, at, "Cf-Ray", "1"), false},
		"an older list of clients":   {request(here, at, at, "Client-IP", "192.0.2.7"), false},
	} {
		if near, why := access.Near(c.r, ""); near != c.near || near == (why != "") {
			t.Errorf("%s: near %v, why %q", name, near, why)
		}
	}
	closing := request(here, at, at)
	closing.Close = true // As net/http reads it.
	if near, _ := access.Near(closing, ""); near {
		t.Error("a connection that ends is near")
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	for user, want := range map[string]string{
		"alice": "alice", " Zoë ": "Zoë", "a\nb\x00": "ab", "\u202eevil": "evil", "\xff": "", "CN=alice,O=x": "CN=alice,O=x",
		strings.Repeat("é", 100): strings.Repeat("é", 64),
	} {
		if got := access.Name(user); got != want {
			t.Errorf("%q: got %q, want %q", user, got, want)
		}
	}
}

// A refusal is a page that nothing can frame, keep or borrow, with the words escaped.
func TestRefusal(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	(&access.Refusal{Status: 503, Why: "Who is <script>?", Fix: "Write `user`."}).Write(w)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, %v", w.Code, w.Header())
	}
	if b := w.Body.String(); !strings.Contains(b, "Who is &lt;script&gt;?") || !strings.Contains(b, "Write `user`.") || strings.Contains(b, "<script>") {
		t.Errorf("page: %s", b)
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
	} {
		if got := w.Header().Get(name); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
