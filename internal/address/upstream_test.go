package address_test

import (
	"testing"

	"github.com/inboxgate/inboxgate/internal/address"
)

// What an address may look like.
func TestAddressesAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"app:0": false, "app:99999": false, "http://app:0": false, "[::1]:3000": true, "::1:3000": false,
		"[fe80::1%eth0]:3000": true, "http://[fe80::1%25eth0]:3000": true, "[::1]:0": false,
		"http://app": true, "unix//run/app.sock": true, "localhost:3000": true,
	} {
		if _, err := address.ParseUpstream(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, bare := range map[string]bool{
		"http://app:3000/": true, "https://app/": true, "http://app:3000": false, "http://app:3000/?": false,
		"http://app:3000/?a=b": false, "http://app:3000/hooks": false, "http://app:3000//": false, "app:3000": false,
	} {
		if u, err := address.ParseUpstream(text); err != nil || u.Bare != bare {
			t.Errorf("%s: bare is %t, %v", text, u.Bare, err)
		}
	}
}

func TestListenersThatADialMeets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listen, dial string
		meets        bool
	}{
		{"", "127.0.0.1", true},
		{"", "localhost", true},
		{"", "0.0.0.0", true},
		{"0.0.0.0", "::1", true},
		{"127.0.0.1", "localhost", true},
		{"::1", "localhost", true},
		{"127.0.0.1", "app.localhost.", true},
		{"127.0.0.1", "127.0.0.2", false},
		{"127.0.0.1", "0.0.0.0", true},
		{"127.0.0.1", "::ffff:127.0.0.1", true},
		{"app.internal", "APP.internal", true},
		{"", "app.internal", false},
		{"", "203.0.113.9", false},
		{"", "", false},
	} {
		if got := address.Meets(c.listen, c.dial); got != c.meets {
			t.Errorf("dialling %q meets a listener on %q: %t, want %t", c.dial, c.listen, got, c.meets)
		}
	}
}

func TestPublicNames(t *testing.T) {
	t.Parallel()
	for host, public := range map[string]bool{
		"hooks.example.com": true, "HOOKS.example.com.": true, "localhost": false, "hooks": false, "hooks.local": false,
		"app.default.svc": false, "192.0.2.1": false, "{env.HOST}.example.com": false, "router.home.arpa": false,
	} {
		if got := address.Public(host); got != public {
			t.Errorf("%s is public: %t, want %t", host, got, public)
		}
	}
}
