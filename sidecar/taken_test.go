package main

import "testing"

// An address that the machine does not have would end in Caddy's error, which is JSON.
func TestAddressOfAnotherMachine(t *testing.T) {
	t.Parallel()
	s := settings{Site: "http://:21090", Bind: "192.0.2.77"} // For documentation: no machine has it.
	const want = "this machine has no address 192.0.2.77 to listen on: choose one that it has, or :21090 for all, with INBOX_LISTEN, INBOX_OPS_LISTEN, INBOX_ADMIN or INBOX_DASHBOARD"
	if err := s.checkFree(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
