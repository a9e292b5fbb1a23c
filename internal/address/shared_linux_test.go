package address

import (
	"context"
	"net"
	"slices"
	"testing"
)

// The kernel's table, shortened: sockets 11 and 12 listen on port 8443 of one
// address, 13 on another address, 14 is a connection, and 15 listens on port 80.
const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 0200007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0
   3: 0100007F:0050 0100007F:20FB 01 00000000:00000000 00:00000000 00000000     0        0 14 1 0 100 0 0 10 0
   4: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15 1 0 100 0 0 10 0
`

func TestPortsSharedWithAnotherProcess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		own  []string
		want []uint16
	}{
		"one of two":            {[]string{"11"}, []uint16{8443}},
		"both are ours":         {[]string{"11", "12"}, nil},
		"another address":       {[]string{"13"}, nil},
		"only its connections":  {[]string{"14"}, nil},
		"alone, and one shared": {[]string{"12", "15"}, []uint16{8443}},
	} {
		own := make(map[string]bool)
		for _, inode := range c.own {
			own[inode] = true
		}
		if got := sharedIn(table, own); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestOwnListenerIsNotShared(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := SharedPorts(); slices.Contains(got, l.Addr().(*net.TCPAddr).AddrPort().Port()) {
		t.Errorf("%v are shared, and among them is the port of a listener of this process alone", got)
	}
}
