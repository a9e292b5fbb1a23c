package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/inboxgate/inboxgate/internal/env"
)

// checkFree refuses addresses that this machine does not have, and those that another
// process listens on. Caddy's listeners
// share a port with those of any process of the same user, and each of two
// inboxgates would take a part of the events and know only its own ids.
func (s settings) checkFree() error {
	addresses := s.ClearAddresses()
	if s.TLS() {
		_, port, err := net.SplitHostPort(strings.TrimPrefix(s.Site, "https://"))
		if err != nil {
			port = "443"
		}
		addresses = append(addresses, clear{Address: ":" + port})
	}
	if path, ok := strings.CutPrefix(s.Dashboard.Bind, "unix/"); ok {
		path, _, _ = strings.Cut(path, "|")
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			_ = c.Close()
			return fmt.Errorf("another process answers at %s: stop it, or choose another socket with %s", path, env.Dashboard)
		}
	}
	for _, a := range addresses {
		l, err := net.Listen("tcp", a.Address) // Without SO_REUSEPORT.
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("another process listens on %s: stop it, or choose another address with %s, %s, %s or %s", a.Address, env.Listen, env.OpsListen, env.Admin, env.Dashboard)
		}
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			host, port, _ := net.SplitHostPort(a.Address)
			return fmt.Errorf("this machine has no address %s to listen on: choose one that it has, or :%s for all, with %s, %s, %s or %s", host, port, env.Listen, env.OpsListen, env.Admin, env.Dashboard)
		}
		if err == nil {
			_ = l.Close()
		}
	}
	return nil
}
