//go:build linux && amd64

package faults

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// documentedLimit is the memory that the documentation gives a process.
const documentedLimit = 256 << 20

// goodEvents are sent beside each flood, and each must be taken at once.
const goodEvents = 50

// half is a request that never ends: its head, and how many bytes follow it. Fewer
// than none: not even the head comes.
type half struct {
	clients int
	head    string
	bytes   int
}

// floods are what strangers may send: none of it is signed, or ever whole.
var floods = []struct {
	name  string
	parts []half
}{
	{"small and large ones at once", []half{{1000, "Content-Length: 65536\r\n\r\n", 65_000}, {120, "Content-Length: 1048576\r\n\r\n", 1_000_000}}},
	{"large ones", []half{{400, "Content-Length: 1048576\r\n\r\n", 1_000_000}}},
	{"many of 16 KiB", []half{{5000, "Content-Length: 16385\r\n\r\n", 16 << 10}}},
	{"many of 64 KiB", []half{{3000, "Content-Length: 65536\r\n\r\n", 65_000}}},
	{"many below 4 KiB", []half{{4000, "Content-Length: 4000\r\n\r\n", 3_900}}},
	{"one byte each", []half{{4000, "Content-Length: 1048576\r\n\r\n", 1}}},
	{"chunked", []half{{1000, "Transfer-Encoding: chunked\r\n\r\nfffff\r\n", 65_000}, {120, "Transfer-Encoding: chunked\r\n\r\nfffff\r\n", 1_000_000}}},
	{"no body yet", []half{{4000, "Content-Length: 65536\r\n\r\n", 0}}},
	{"half a head", []half{{10_000, "X-Padding: ", 2000}}},
	{"almost a whole head", []half{{10_000, "X-Padding: ", 15_000}}},
	{"no byte of a head", []half{{10_000, "", -1}}},
	{"everything at once", []half{
		{3000, "X-Padding: ", 15_000}, {3000, "Content-Length: 2\r\n\r\n", 2}, {120, "Content-Length: 1048576\r\n\r\n", 1_000_000}, {1000, "Content-Length: 65536\r\n\r\n", 65_000},
	}},
	{"idle ones", []half{{10_000, "Content-Length: 2\r\n\r\n", 2}}},
}

// TestFaultHTTP2FloodWithinTheLimit is the same by TLS, where one connection has
// many requests: each of 40 begins as many as it may, none of which ends.
func TestFaultHTTP2FloodWithinTheLimit(t *testing.T) {
	for name, c := range map[string]struct{ streams, bytes int }{
		"no body yet": {250, 0}, "one byte each": {250, 1}, "4 KiB each": {250, 4 << 10}, "64 KiB each": {16, 64 << 10}, "one of 1 MiB": {1, 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			dir := memoryGroup(t, documentedLimit)
			r := rig.New(t, rig.Options{Wrap: within(dir)})
			config, addr := overTLS(t, r, r.Caddyfile(""))
			r.Configure(config)
			l := r.Start()
			wantOK(t, r, r.Event(event.TypeMessageRead))
			for range 40 {
				c2 := newHTTP2Client(t, addr)
				defer c2.conn.Close()
				read := c2.drainTo()
				_ = c2.conn.SetWriteDeadline(time.Now().Add(proctest.Patience))
				if !beginStreams(c2, r.Event(event.TypeMessageRead), c.streams, c.bytes) {
					t.Log("the server gave a connection up")
				}
				// All of it has come before the good events do.
				_ = c2.WritePing(false, [8]byte{1}) // Its error is that of a connection that was given up.
				select {
				case <-read:
				case <-time.After(proctest.Patience):
					t.Fatal("the server does not read on")
				}
			}
			standing(t, r)
			r.Settle()
			t.Logf("at most %d MiB of memory", peak(t, l.PID)>>20)
			if code := r.Stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			r.Report([]int{12, 55}, "unfinished HTTP/2 requests in the documented memory: "+name, 1)
		})
	}
}

// beginStreams begins requests, a forged signature on each, and sends of their bodies no
// more than that, nor than the window of the connection first allows.
func beginStreams(c *http2Client, e history.Event, streams, bytes int) (ok bool) {
	e.Signature = strings.Repeat("0", 64)
	room := 1 << 20
	for range streams {
		id := c.stream
		c.stream += 2
		if c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.header(e), EndHeaders: true}) != nil {
			return false
		}
		for left := min(bytes, room); left > 0; left, room = left-min(left, 16_384), room-min(left, 16_384) {
			if c.WriteData(id, false, make([]byte, min(left, 16_384))) != nil {
				return false
			}
		}
	}
	return true
}

// within runs a process in a group of the memory controller.
func within(dir string) func([]string) []string {
	return func(argv []string) []string {
		return append([]string{"/bin/sh", "-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(dir, "cgroup.procs")}, argv...)
	}
}

// TestFaultFloodsWithinTheLimit sends each flood, again and again, at a process
// that has the documented memory and no more: it lives, and every good event that
// comes meanwhile is taken.
func TestFaultFloodsWithinTheLimit(t *testing.T) {
	rounds := rig.Rounds(1, 10)
	for _, f := range floods {
		t.Run(f.name, func(t *testing.T) {
			dir := memoryGroup(t, documentedLimit)
			r := rig.New(t, rig.Options{Wrap: within(dir)})
			l := r.Start()
			wantOK(t, r, r.Event(event.TypeMessageRead))
			for range rounds {
				pour(t, r, f.parts)
			}
			r.Settle()
			most := peak(t, l.PID)
			t.Logf("at most %d MiB of memory", most>>20)
			if code := r.Stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			r.Report([]int{12, 52}, "unfinished requests in the documented memory: "+f.name, rounds)
		})
	}
}

// pour opens all of the requests and sends good events until they have stood for
// longer than read_timeout.
func pour(t *testing.T, r *rig.Rig, parts []half) {
	t.Helper()
	var mu sync.Mutex
	var conns []net.Conn
	defer func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	var sent sync.WaitGroup
	clients := make(chan half)
	for range 64 {
		sent.Go(func() {
			for h := range clients {
				c, err := net.Dial("tcp", r.Listen)
				if err != nil {
					continue // The backlog is full: as good as refused.
				}
				mu.Lock()
				conns = append(conns, c)
				mu.Unlock()
				_ = c.SetWriteDeadline(time.Now().Add(proctest.Patience))
				if h.bytes < 0 {
					continue
				}
				text := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nX-Inbox-Signature: %s\r\n%s%s", rig.Path, r.Listen, strings.Repeat("0", 64), h.head, strings.Repeat("x", h.bytes))
				_, _ = c.Write([]byte(text)) // Refused, or gone.
			}
		})
	}
	for i := 0; ; i++ {
		more := false
		for _, h := range parts {
			if i < h.clients {
				clients <- h
				more = true
			}
		}
		if !more {
			break
		}
		if i%100 == 0 {
			wantOK(t, r, r.Event(event.TypeMessageRead))
		}
	}
	close(clients)
	standing(t, r)
	sent.Wait()
}

// standing sends good events for longer than read_timeout, and wants each taken.
func standing(t *testing.T, r *rig.Rig) {
	t.Helper()
	for n, until := 0, time.Now().Add(6*time.Second); n < goodEvents || time.Now().Before(until); n++ {
		e := r.Event(event.TypeMessageRead)
		a := r.Send(t.Context(), e)
		if a.Status != 200 {
			t.Errorf("good event %d is answered %d %v", n, a.Status, a.Err)
		}
		if a.Err != nil {
			r.Log.Crash(r.Life().N, history.Killed)
			t.Fatal("the process is gone, or as good as gone")
		}
	}
}

// memoryGroup is a new group of the kernel's memory controller with that limit.
func memoryGroup(t *testing.T, limit int) (dir string) {
	t.Helper()
	var why []error
	for root, file := range map[string]string{"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"} {
		// The second version has the controller below a group that hands it down.
		_ = writeGroup(filepath.Join(root, "cgroup.subtree_control"), "+memory")
		dir, err := os.MkdirTemp(root, "inboxgate-") //nolint:usetesting // It is a group of the kernel.
		if err != nil {
			why = append(why, err)
			continue
		}
		t.Cleanup(func() {
			if err := syscall.Rmdir(dir); err != nil {
				t.Errorf("removing memory group: %v", err)
			}
		})
		if err := writeGroup(filepath.Join(dir, file), strconv.Itoa(limit)); err != nil {
			why = append(why, err)
			continue
		}
		return dir
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("no memory group can be made: %v", errors.Join(why...))
	}
	t.Skipf("this test needs a memory group: %v", errors.Join(why...))
	return ""
}

// writeGroup writes without O_CREATE: below the first version's root is no group,
// but a directory like any other.
func writeGroup(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
