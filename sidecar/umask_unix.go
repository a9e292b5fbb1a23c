//go:build unix

package main

import "golang.org/x/sys/unix"

// keepPrivate has all files and sockets made for their owner alone. Caddy binds the
// admin socket first and gives it its mode a moment later.
func keepPrivate() { unix.Umask(0o077) }
