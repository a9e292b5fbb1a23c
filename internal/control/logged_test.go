package control

import "testing"

// What an operator searches for may be a phone number, so the audit log does not say.
func TestSearchedTextIsNotLogged(t *testing.T) {
	t.Parallel()
	f := Filter{Type: "message.read", Contains: "+15551234567"}
	if got := f.logged(); got.Contains == f.Contains || got.Contains == "" || got.Type != f.Type {
		t.Errorf("logged as %+v", got)
	}
	if got := (Filter{}).logged(); !got.empty() {
		t.Errorf("an empty filter is logged as %+v", got)
	}
}
