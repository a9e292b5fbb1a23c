package access

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		s    Settings
		want string // Part of the error; empty for none.
	}{
		"nothing":        {Settings{}, ""},
		"all":            {Settings{Actions: ActionsOperate, Reveal: RevealOperate, User: "{http.request.header.Remote-User}", Prefix: "/ops"}, ""},
		"certificate":    {Settings{User: "{http.request.tls.client.subject}"}, ""},
		"other actions":  {Settings{Actions: "write"}, "write read, to look only"},
		"other reveal":   {Settings{Reveal: "always"}, "write never"},
		"reveal to read": {Settings{Reveal: RevealOperate}, "write actions operate too"},
		"slash":          {Settings{Prefix: "/ops/"}, "without a slash at its end"},
		"two slashes":    {Settings{Prefix: "//ops"}, "such as /ops"},
		"one for all":    {Settings{User: "alice"}, "the same for everybody"},
		"by the client":  {Settings{User: "{http.request.uri.query.user}"}, "names no user"},
		"private":        {Settings{User: "{http.request.header.Cookie}"}, "bring secrets into the audit log"},
	} {
		err := c.s.Check()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want one that says %q", name, err, c.want)
		}
	}
}

func TestVerified(t *testing.T) {
	t.Parallel()
	certificate, password := Settings{User: "{http.request.tls.client.subject}"}, Settings{User: BasicUser}
	shown := &http.Request{TLS: new(tls.ConnectionState)}
	verified := &http.Request{TLS: &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{}}}}
	if certificate.Verified(new(http.Request)) || certificate.Verified(shown) || !certificate.Verified(verified) {
		t.Error("a certificate counts once it is verified, and not before")
	}
	if !password.Verified(new(http.Request)) {
		t.Error("a password needs no certificate")
	}
}

func TestPrefix(t *testing.T) {
	t.Parallel()
	s := Settings{Prefix: "/ops"}
	for path, want := range map[string]bool{"/ops": true, "/ops/": true, "/ops/events": true, "/opsx": false, "/": false} {
		if s.Takes(path) != want {
			t.Errorf("takes %s: %v, want %v", path, !want, want)
		}
	}
	if !(Settings{}).Takes("/any") {
		t.Error("without a prefix every path is a page's")
	}
	u := &url.URL{Path: "/ops/a b/c", RawPath: "/ops/a%20b/c"}
	if got := s.Cut(u); got.Path != "/a b/c" || got.RawPath != "/a%20b/c" || u.Path != "/ops/a b/c" {
		t.Errorf("cut: %q, %q", got.Path, got.RawPath)
	}
	if got := s.Cut(&url.URL{Path: "/ops/a", RawPath: "/%6fps/a"}); got.RawPath != "" {
		t.Errorf("raw path %q, want none: the prefix stands in it in another way", got.RawPath)
	}
	for _, c := range []struct{ was, path, want string }{
		{"/ops/events", "/ops/events", "/ops"},
		{"/site/ops/events", "/ops/events", "/site/ops"},
		{"//evil.example/ops/events", "/ops/events", "/evil.example/ops"},
		{"/rewritten", "/ops/events", "/ops"},
	} {
		if got := s.Before(c.was, c.path); got != c.want {
			t.Errorf("before %s of %s: %q, want %q", c.path, c.was, got, c.want)
		}
	}
}
