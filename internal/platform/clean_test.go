package platform

import "testing"

// A key that is echoed is taken out of an error, and words that happen to hold
// a short one stay as they are.
func TestKeyInErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, text, want string }{
		{"wrong", "the API key is wrong", "the API key is wrong"},
		{"floodgate", "floodgates at the floodgate", "floodgates at the [key]"},
		{"floodgate", "floodgatefloodgate floodgate, (floodgate)", "floodgatefloodgate [key], ([key])"},
		{"floodgate", "the key 'floodgate'", "the key '[key]'"},
		{"sk_live_0123456789", "xsk_live_0123456789x", "x[key]x"},
		{"", "nothing to take out", "nothing to take out"},
	} {
		if got := (&Client{Key: c.key}).clean(c.text); got != c.want {
			t.Errorf("key %q in %q: %q, want %q", c.key, c.text, got, c.want)
		}
	}
}
