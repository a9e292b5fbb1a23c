//go:build !linux

package postgres

import "syscall"

// dropSilent does nothing where a connection cannot be given up so.
func dropSilent(string, string, syscall.RawConn) error { return nil }
