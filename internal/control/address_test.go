package control

import "testing"

// What people write for a listener or a socket is taken as its address.
func TestAddressOfClient(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		":21019":                   "http://127.0.0.1:21019",
		"127.0.0.1:2019":           "http://127.0.0.1:2019",
		"https://hooks.example":    "https://hooks.example",
		"/run/inboxgate.sock":      "http://inbox",
		"unix//run/inboxgate.sock": "http://inbox",
	} {
		c, err := NewClient(given, "")
		if err != nil {
			t.Errorf("%s: %v", given, err)
			continue
		}
		if c.base != want {
			t.Errorf("%s is asked at %s, want %s", given, c.base, want)
		}
	}
}
