package sqlite

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// shell runs the sqlite3 shell.
func shell(t *testing.T, stdin, file string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("sqlite3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("sqlite3 is not installed")
		}
		t.Skip("sqlite3 is not installed")
	}
	cmd := exec.Command(path, append([]string{file}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("sqlite3 %s: %v: %s", args, err, out)
	}
	return string(out)
}

// wholeEvent is an event with the digest of its body.
func wholeEvent(n int64) *spool.Event {
	e := benchEvent(n)
	e.Digest = sha256.Sum256(e.Request.Body)
	return e
}

// verdict is what becomes of an event.
func verdict(t *testing.T, s *Store, e *spool.Event) spool.Verdict {
	t.Helper()
	r, err := s.Accept(t.Context(), spool.Intake{Event: e, Routes: []spool.RouteWish{{Route: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	return r.Verdict
}

// A copy through `.dump` has all rows and not the mark that tells a store of ours. It
// is refused with the reason, and the command of the message makes a store of it that
// knows every event.
func TestCopyByDump(t *testing.T) {
	t.Parallel()
	from := t.TempDir()
	s := mustOpen(t, from, Options{})
	for n := range int64(20) {
		accept(t, s, wholeEvent(n), "a", false)
	}
	s.Close()
	for name, copied := range map[string]func(to string){
		"dump":  func(to string) { shell(t, shell(t, "", s.path, ".dump"), to) },
		"clone": func(to string) { shell(t, "", s.path, ".clone "+to) },
	} {
		dir := t.TempDir()
		to := filepath.Join(dir, "spool.db")
		copied(to)
		_, err := Open(dir, Options{})
		if err == nil {
			t.Fatalf("%s: it was opened", name)
		}
		for _, want := range []string{"`.dump`", "store backup", "`.backup`", "VACUUM INTO"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in %q", name, want, err)
			}
		}
		if _, err := Check(context.Background(), dir, nil); err == nil || !strings.Contains(err.Error(), "`.dump`") {
			t.Errorf("%s: a check says %v", name, err)
		}
		_, advice, _ := strings.Cut(err.Error(), "sqlite3 "+to+" '")
		pragmas, _, ok := strings.Cut(advice, "'")
		if !ok {
			t.Fatalf("%s: no command in %q", name, err)
		}
		shell(t, "", to, pragmas)
		if r, err := Check(context.Background(), dir, nil); err != nil || len(r.Damage) > 0 {
			t.Errorf("%s: after the command: %v, %v", name, r.Damage, err)
		}
		again := mustOpen(t, dir, Options{})
		for n := range int64(20) {
			if v := verdict(t, again, wholeEvent(n)); v != spool.Duplicate {
				t.Errorf("%s: event %d is %s", name, n, v)
			}
		}
		again.Close()
		for pragma, want := range map[string]string{"auto_vacuum": "2", "user_version": fmt.Sprint(schemaVersion)} {
			if got := strings.TrimSpace(shell(t, "", to, "PRAGMA "+pragma)); got != want {
				t.Errorf("%s: %s is %s, want %s", name, pragma, got, want)
			}
		}
	}
}

// The ways that the message names keep the mark.
func TestCopyBySQLite(t *testing.T) {
	t.Parallel()
	from := t.TempDir()
	s := mustOpen(t, from, Options{})
	accept(t, s, benchEvent(1), "a", false)
	for name, command := range map[string]string{"backup": ".backup '%s'", "vacuum": "VACUUM INTO '%s'"} {
		dir := t.TempDir()
		shell(t, "", s.path, fmt.Sprintf(command, filepath.Join(dir, "spool.db")))
		again := mustOpen(t, dir, Options{})
		if v := verdict(t, again, benchEvent(1)); v != spool.Duplicate {
			t.Errorf("%s: the event is %s", name, v)
		}
		again.Close()
	}
}
