//go:build linux && amd64

package faults

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// descriptors is how many a process of TestFaultNoFileDescriptors may have.
const descriptors = 96

// TestFaultNoFileDescriptors has idle clients take every file descriptor. Who
// is connected gets answers, and the store keeps its files; a store that must
// be opened anew then waits until it can.
func TestFaultNoFileDescriptors(t *testing.T) {
	t.Parallel()
	x := newTraced(t, rig.Options{Wrap: func(argv []string) []string {
		return append([]string{"/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$@"`, descriptors), "sh"}, argv...)
	}})
	x.Start()
	rounds := rig.Rounds(2, 20)
	for n := range rounds {
		x.wantAllTaken(x.SendAll(t.Context(), x.events(16))) // Opens that many connections.
		leave := x.crowd()
		reopened := strings.Count(x.Life().Output(), openAgain)
		answered := 0
		for i := range 5 {
			if i == 3 && n%2 == 1 {
				o := x.all(1, failCall)
				o.Calls, o.Errno = []string{"fdatasync"}, syscall.EIO
				x.order(o)
			}
			for _, a := range x.SendAll(t.Context(), x.events(8)) {
				if a.Status == http.StatusOK || a.Status == http.StatusServiceUnavailable {
					answered++
				}
			}
			if i < 3 {
				x.wantStoreOpen()
			}
		}
		if answered < 24 {
			t.Errorf("of 40 events on open connections only %d were answered", answered)
		}
		x.order(order{})
		leave()
		if n%2 == 1 {
			x.Life().Await(t, openAgain, reopened+1)
		}
		x.sendUntil(http.StatusOK)
	}
	x.Settle()
	if code := x.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	wantWhole(t, x.Data)
	x.Books()
	x.Report([]int{11}, "no file descriptors left, and an fsync fails meanwhile", rounds)
}

func (x *traced) wantAllTaken(answers []history.Answer) {
	x.t.Helper()
	for _, a := range answers {
		if a.Status != http.StatusOK {
			x.t.Errorf("answered %d %v", a.Status, a.Err)
		}
	}
}

// crowd opens idle connections until the process has no descriptor left. The
// returned function closes them.
func (x *traced) crowd() (leave func()) {
	x.t.Helper()
	var all []net.Conn
	leave = func() {
		for _, c := range all {
			_ = c.Close()
		}
		all = nil
	}
	x.t.Cleanup(leave)
	for range 2 * descriptors {
		c, err := net.Dial("tcp", x.Listen)
		if err != nil {
			break // The queue before accept is full, too.
		}
		all = append(all, c)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		if n := len(x.openFiles()); n >= descriptors-1 {
			return leave
		}
		<-tick.C
	}
	x.t.Fatalf("the process has %d of %d descriptors", len(x.openFiles()), descriptors)
	return nil
}

// openFiles are what the descriptors of the process stand for.
func (x *traced) openFiles() (all []string) {
	x.t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", x.Find()))
	if err != nil {
		x.t.Fatal(err)
	}
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil {
			all = append(all, to)
		}
	}
	return all
}

func (x *traced) wantStoreOpen() {
	x.t.Helper()
	open := x.openFiles()
	for _, name := range []string{"lock", "spool.db", "spool.db-wal"} {
		if !slices.Contains(open, filepath.Join(x.Data, name)) {
			x.t.Errorf("%s is not open", name)
		}
	}
}
