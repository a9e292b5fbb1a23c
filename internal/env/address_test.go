package env

import "testing"

func TestLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.8.9.1": true, "::1": true, "::ffff:127.0.0.1": true, "localhost": true,
		"": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "no-such-host.invalid": false,
	} {
		if got := Loopback(host); got != want {
			t.Errorf("%q: got %t, want %t", host, got, want)
		}
	}
}

func TestDialHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "127.0.0.1", "10.0.0.1": "10.0.0.1", "app": "app"} {
		if got := DialHost(host); got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
}

func TestAdminAddress(t *testing.T) {
	for value, want := range map[string]string{"": "", "off": "", "127.0.0.1:2019": "127.0.0.1:2019", "unix//run/x.sock": "unix//run/x.sock"} {
		t.Setenv(Admin, value)
		if got := AdminAddress(); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}
