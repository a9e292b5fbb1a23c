//go:build linux

package faults

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

const (
	// grace is what a process may take to end: its own for running attempts, and
	// time for a machine that is busy.
	grace = 20 * time.Second
	// backAgain is how soon after a backup has ended events must be taken.
	backAgain = 5 * time.Second
)

// TestFaultBackups makes five backups at once, under load, where there is no room
// for one and where there is room for one alone. Their readers end or are killed,
// or the process is stopped or killed while one is read. Events go on, and nothing
// of a backup is left.
func TestFaultBackups(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "root", "mount")
	at := smallDisk(t, "380m")
	r := rig.New(t, rig.Options{Data: filepath.Join(at, "spool"), Rate: 200, Admin: true, Routes: []rig.Route{{Name: "all", Types: "message.*"}}})
	rounds := rig.Rounds(1, 5)
	r.Start()
	for range 70 {
		e := r.Event(event.TypeMessageRead)
		e.Body = bytes.Replace(e.Body, []byte("{"), []byte(`{"pad":"`+strings.Repeat("x", 900<<10)+`",`), 1)
		e.Signature = rig.Sign(e.Body)
		if a := r.Send(t.Context(), e); a.Status != http.StatusOK {
			t.Fatalf("filling: %d %v", a.Status, a.Err)
		}
	}
	for range rounds {
		backupRound(t, r, at)
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	r.Books()
	r.Report([]int{7}, "five backups at once, on a disk without room and with room for one", rounds)
}

func backupRound(t *testing.T, r *rig.Rig, at string) {
	t.Helper()
	stop := loaded(r)

	filler := filepath.Join(at, "filler")
	leaveRoom(t, at, filler, 230<<20)
	taken := keepsTaking(t, r)
	for status, n := range five(t, r) {
		if status != http.StatusInsufficientStorage && status != http.StatusConflict {
			t.Errorf("%d of five backups without room are answered %d", n, status)
		}
	}
	taken("while there was no room")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}

	taken = keepsTaking(t, r)
	if got := five(t, r); got[http.StatusOK] == 0 || got[http.StatusOK]+got[http.StatusConflict] != 5 {
		t.Errorf("five backups with room for one: %v", got)
	}
	ended := slowBackup(t, r)
	ended()
	taken("while readers ended")
	accepted(t, r, "after its reader was killed")
	nothingLeft(t, r)

	slowBackup(t, r)
	stop()
	from := time.Now()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM while a backup is read ends with exit code %d", code)
	}
	if took := time.Since(from); took > grace {
		t.Errorf("SIGTERM while a backup is read took %s", took)
	}
	nothingLeft(t, r)
	r.Start()
	slowBackup(t, r)
	r.Kill()
	nothingLeft(t, r)
	r.Start()
	accepted(t, r, "after the restart")
	r.StartApps()
	r.AwaitAll()
}

// five asks for five backups at once, reads what comes, and counts the answers.
func five(t *testing.T, r *rig.Rig) map[int]int {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	got := map[int]int{}
	for range 5 {
		all.Go(func() {
			q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.AdminAddr+"/inbox/store/backup", nil)
			if err != nil {
				t.Error(err)
				return
			}
			res, err := http.DefaultClient.Do(q)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if n, err := io.Copy(io.Discard, res.Body); err != nil || res.ContentLength > 0 && n != res.ContentLength {
				t.Errorf("%d of %d bytes, %v", n, res.ContentLength, err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[res.StatusCode]++
		})
	}
	all.Wait()
	return got
}

// slowBackup has a backup that is not read on, until its reader is killed.
func slowBackup(t *testing.T, r *rig.Rig) (kill func()) {
	t.Helper()
	var c net.Conn
	until(t, "a backup", func() bool {
		var err error
		if c, err = new(net.Dialer).DialContext(t.Context(), "tcp", r.AdminAddr); err != nil {
			t.Fatal(err)
		}
		head := make([]byte, len("HTTP/1.1 200"))
		if _, err = io.WriteString(c, "GET /inbox/store/backup HTTP/1.1\r\nHost: "+r.AdminAddr+"\r\n\r\n"); err == nil {
			_, err = io.ReadFull(c, head)
		}
		if err == nil && string(head) == "HTTP/1.1 200" {
			return true
		}
		c.Close()
		return false
	})
	t.Cleanup(func() { c.Close() })
	return func() { c.Close() }
}

// keepsTaking sends events one after the other until the function it returns is
// called, which fails the test unless each was taken, the last within backAgain.
func keepsTaking(t *testing.T, r *rig.Rig) func(when string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	refused, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if a := r.Send(t.Context(), r.Event(event.TypeMessageRead)); a.Status != http.StatusOK {
				refused++
			}
		}
	}()
	return func(when string) {
		t.Helper()
		cancel()
		<-done
		if refused > 0 {
			t.Errorf("%s, %d events were refused", when, refused)
		}
		within, cancel := context.WithTimeout(t.Context(), backAgain)
		defer cancel()
		if a := r.Send(within, r.Event(event.TypeMessageRead)); a.Status != http.StatusOK {
			t.Errorf("%s, and then: %d %v", when, a.Status, a.Err)
		}
	}
}

// nothingLeft looks for files that a backup could have left.
func nothingLeft(t *testing.T, r *rig.Rig) {
	t.Helper()
	all, err := os.ReadDir(r.Data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if strings.Contains(e.Name(), "backup") {
			t.Errorf("%s is left", e.Name())
		}
	}
}
