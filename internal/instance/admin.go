package instance

import (
	"strings"
	"sync/atomic"
)

// admin is the address of this process's admin endpoint, nil where none is known.
// The program knows it and Caddy's modules cannot learn it.
var admin atomic.Pointer[string]

// SetAdmin records where this process's admin endpoint is, for the pointer that it
// leaves when its store is open. address may end in Caddy's form for the mode of a
// socket; "off" records nothing.
func SetAdmin(address string) {
	if address == "off" {
		return
	}
	address, _, _ = strings.Cut(address, "|")
	admin.Store(&address)
}

// Admin returns the address that SetAdmin recorded, or "".
func Admin() string {
	if address := admin.Load(); address != nil {
		return *address
	}
	return ""
}
