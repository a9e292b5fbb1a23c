package testapp

import (
	"net"
	"sync"
)

// ByHand returns an address whose connections, counted from 1, serve handles without
// any HTTP server. They are closed by serve, or when the test ends.
func ByHand(t T, serve func(c *net.TCPConn, n int)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("starting an app: %v", err)
	}
	var serving sync.WaitGroup
	var all []net.Conn // Complete once accepted is closed.
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all = append(all, c)
			n := len(all)
			serving.Go(func() { serve(c.(*net.TCPConn), n) })
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-accepted
		for _, c := range all {
			_ = c.Close()
		}
		serving.Wait()
	})
	return l.Addr().String()
}

// Silent returns an address that takes connections and says nothing.
func Silent(t T) (addr string) {
	t.Helper()
	return ByHand(t, func(*net.TCPConn, int) {})
}
