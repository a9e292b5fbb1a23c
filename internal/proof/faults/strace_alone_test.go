//go:build linux && amd64

package faults

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/proof/history"
)

// aside is an address of this machine to which only alone connects, and how the
// kernel's table of connections shows it.
const (
	aside      = "127.0.0.2"
	asideTable = "0200007F"
)

// alone sends an event on a connection of its own, so that awaitRead can tell
// when it was read.
func (x *traced) alone(e history.Event) history.Answer {
	return x.SendTo(x.t.Context(), strings.Replace(x.URL, "127.0.0.1", aside, 1), e, func(r *http.Request) {
		r.Host, r.Close = x.Listen, true
	})
}

// sendAside sends events alone, all at once, and returns once the process has
// read them. The returned function waits for the answers.
func (x *traced) sendAside(events []history.Event) (answers func() []history.Answer) {
	x.t.Helper()
	var sends sync.WaitGroup
	all := make([]history.Answer, len(events))
	for i := range events {
		sends.Go(func() { all[i] = x.alone(events[i]) })
	}
	x.awaitRead(len(events))
	return func() []history.Answer {
		sends.Wait()
		return all
	}
}

// awaitRead waits until the process has read all that n connections of alone
// sent it.
func (x *traced) awaitRead(n int) {
	x.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		if x.readFrom() >= n {
			return
		}
		<-tick.C
	}
	x.t.Fatalf("the process does not read from %d connections", n)
}

// readFrom counts the connections of alone in whose queue nothing is left.
func (x *traced) readFrom() (n int) {
	x.t.Helper()
	_, port, err := net.SplitHostPort(x.Listen)
	if err != nil {
		x.t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		x.t.Fatal(err)
	}
	local := fmt.Sprintf("%s:%04X", asideTable, number)
	const established, nothing = "01", ":00000000"
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			x.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > 4 && strings.HasSuffix(f[1], local) && f[3] == established && strings.HasSuffix(f[4], nothing) {
				n++
			}
		}
	}
	return n
}
