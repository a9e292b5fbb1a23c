//go:build !linux

package postgres

import (
	"net"
	"syscall"
)

// dropSilent does nothing where a connection cannot be given up so.
func dropSilent(string, string, syscall.RawConn) error { return nil }

// peek finds nothing where a socket cannot be looked at.
func peek(net.Conn) peeked { return peekNothing }
