package emulator

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
)

// A copy of the directory in the middle of everything is what a kill leaves.
// What is begun from it goes on where the other was.
func TestGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var bodies [][]byte
		var signatures []string
		transport := wire(func(r *http.Request) (int, error) {
			body, err := io.ReadAll(r.Body)
			bodies, signatures = append(bodies, body), append(signatures, r.Header.Get("X-Inbox-Signature"))
			return 500, err
		})
		dir, copied := t.TempDir(), t.TempDir()
		first := open(t, Options{Dir: dir, Transport: transport})
		w := hook(t, first, "http://receiver.test")
		first.Advance(time.Hour)
		if err := first.SendBody(w.ID, []byte("odd \xff\x00 bytes")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute) // attempts at 0, 30 s, 2 m 30 s
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		logs, _ := first.Logs(w.ID)
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		if len(bodies) != 3 {
			t.Fatalf("%d attempts before the kill, want 3", len(bodies))
		}

		began := time.Now()
		second := open(t, Options{Dir: copied, Transport: transport})
		again, err := second.Logs(w.ID)
		if err != nil || len(again) != 3 || again[0] != logs[0] || second.Secret(w.ID) != w.Secret {
			t.Fatalf("logs %+v, %v", again, err)
		}
		if lead := second.Now().Sub(stamp(time.Now())); lead != time.Hour {
			t.Errorf("the clock is %v ahead, want 1h", lead)
		}
		if err := second.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := totals[5] - 3*time.Minute; time.Since(began) != want || len(bodies) != 6 {
			t.Errorf("%d attempts, the last %v after the restart, want %v", len(bodies), time.Since(began), want)
		}
		for i := range bodies {
			if !bytes.Equal(bodies[i], bodies[0]) || signatures[i] != signatures[0] {
				t.Error("an attempt after the restart had other bytes")
			}
		}
		if c := second.Counts(); c.Failed != 1 || c.Pending != 0 {
			t.Errorf("%+v", c)
		}
	})
}

func TestWhatWasAnsweredIsOnDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "state")
	e := open(t, Options{Dir: dir, Key: testKey}) // hook and test are answered, nothing more
	w := hook(t, e, "http://127.0.0.1:1/")
	if _, err := e.Test(w.ID, event.TypeMessageRead); err != nil {
		t.Fatal(err)
	}
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	again, err := New(Options{Dir: copied})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Key() != testKey || again.Secret(w.ID) != w.Secret || again.Counts().Pending != 1 {
		t.Errorf("after the restart: %+v, %d webhooks", again.Counts(), len(again.List()))
	}
	for name, mode := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, stateFile): 0o600} {
		if fi, err := os.Stat(name); err != nil || fi.Mode() != mode {
			t.Errorf("%s: mode %v, want %v (%v)", filepath.Base(name), fi.Mode(), mode, err)
		}
	}
}

func TestDamagedDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Dir: file}); err == nil {
		t.Error("a file passes for a directory")
	}
	for text, says := range map[string]string{
		"":                       "is damaged",
		`{"version":1,"key":"se`: "is damaged",
		`{"version":2}`:          "has version 2",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := New(Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
		if left, _ := os.ReadFile(filepath.Join(dir, stateFile)); string(left) != text {
			t.Errorf("%q was overwritten", text)
		}
	}
}

// A torn write is cleared away, and one that fails makes no webhook.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	torn := filepath.Join(dir, stateFile+".123.tmp")
	if err := os.WriteFile(torn, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := New(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(torn); err == nil {
		t.Error("a torn write stays")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	_, err = e.Create(platform.Registration{URL: "http://a.test", Events: event.Types()})
	if err == nil || len(e.List()) != 0 {
		t.Errorf("%v, %d webhooks", err, len(e.List()))
	}
	if e.Close() == nil {
		t.Error("Close says nothing")
	}
}
