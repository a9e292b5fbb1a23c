package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// filled is a store's directory with n events, one of them in quarantine
// beside.
func filled(t *testing.T, n int) (string, *Store) {
	t.Helper()
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	for i := range n {
		in := backupIntake(int64(i))
		in.Event.Digest = sha256.Sum256(in.Event.Request.Body)
		if _, err := s.Accept(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	odd := []byte("no event, but signed")
	e := &spool.Event{Source: "inbox", Digest: sha256.Sum256(odd), Request: spool.Request{Body: odd}}
	if err := s.Quarantine(t.Context(), spool.Odd{Event: e, Reason: "no JSON"}); err != nil {
		t.Fatal(err)
	}
	return dir, s
}

// contents are the files of a directory but the index of the log, which SQLite
// makes anew.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "-shm") {
			continue
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = string(raw)
	}
	return all
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	r, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, r); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func wantSound(t *testing.T, path string, events int64) {
	t.Helper()
	told := int64(0)
	r, err := Check(t.Context(), path, func(done, total int64) {
		if told = done; done > total {
			t.Errorf("progress is %d of %d", done, total)
		}
	})
	if err != nil || r.Damaged != 0 || r.Events != events || r.Deliveries != events || r.Quarantined != 1 || r.Bytes == 0 || told != events {
		t.Errorf("%s: %+v, %v, told of %d", path, r, err, told)
	}
}

func TestCheckSound(t *testing.T) {
	t.Parallel()
	const n = 50
	dir, s := filled(t, n)
	copied := filepath.Join(t.TempDir(), "copy.db")
	backupTo(t, s, copied)
	wantSound(t, copied, n)
	if left := contents(t, filepath.Dir(copied)); len(left) != 1 {
		t.Errorf("files were left beside a backup: %d", len(left))
	}
	if _, err := Check(t.Context(), dir, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("of a store in use: %v", err)
	}
	// As a power cut leaves it: the events are in the log alone.
	cut := t.TempDir()
	for _, name := range []string{"spool.db", "spool.db-wal", "lock"} {
		copyFile(t, filepath.Join(dir, name), filepath.Join(cut, name))
	}
	before := contents(t, cut)
	if len(before["spool.db-wal"]) == 0 {
		t.Fatal("there is nothing in the log: this case proves nothing")
	}
	wantSound(t, cut, n)
	if !maps.Equal(before, contents(t, cut)) {
		t.Error("the check changed the store")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before = contents(t, dir)
	wantSound(t, dir, n)
	wantSound(t, filepath.Join(dir, "spool.db"), n)
	if !maps.Equal(before, contents(t, dir)) {
		t.Error("the check changed the store")
	}
	wantSound(t, dir, n) // And it leaves no lock.
	openTest(t, dir, Options{})
}

func TestCheckFindsDamage(t *testing.T) {
	t.Parallel()
	_, s := filled(t, 2000)
	whole := filepath.Join(t.TempDir(), "whole.db")
	backupTo(t, s, whole)
	raw, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	exec := func(sql string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			damage(t, path, sql)
		}
	}
	for name, tc := range map[string]struct {
		do   func(t *testing.T, path string)
		says string
	}{
		// Rot within a body breaks no structure: only the digest tells.
		"a flipped bit in a body": {func(t *testing.T, path string) {
			at := bytes.LastIndex(raw, []byte("evt_777"))
			bad := bytes.Clone(raw)
			bad[at] ^= 1
			put(t, path, bad)
		}, "is not the one that was stored"},
		"a page of zeros": {func(t *testing.T, path string) {
			bad := bytes.Clone(raw)
			at := bytes.Index(raw, []byte("evt_777")) / pageSize * pageSize
			clear(bad[at : at+pageSize])
			put(t, path, bad)
		}, "structure: "},
		"cut short":            {func(t *testing.T, path string) { put(t, path, raw[:len(raw)/2]) }, "was cut short"},
		"a head":               {exec("UPDATE events SET head=x'02' WHERE id='evt_5'"), "what came with its body cannot be read"},
		"a log":                {exec("UPDATE deliveries SET log=x'ff' WHERE number=(SELECT min(number) FROM deliveries)"), "its attempts cannot be read"},
		"an orphan":            {exec("DELETE FROM events WHERE id='evt_5'"), "has no event"},
		"no route":             {exec("DELETE FROM routes"), "has no route"},
		"no source":            {exec("DELETE FROM sources"), "has no source"},
		"a state":              {exec("UPDATE deliveries SET state=9 WHERE number=(SELECT min(number) FROM deliveries)"), "unknown state 9"},
		"a key with two heads": {exec("UPDATE deliveries SET key=5, state=1 WHERE number IN (SELECT number FROM deliveries LIMIT 2)"), "more than one delivery of the key 5 may go"},
		"a key without a head": {exec("UPDATE deliveries SET key=5, state=8 WHERE number IN (SELECT number FROM deliveries LIMIT 2)"), "wait for one that is not there"},
		"an entry":             {exec("UPDATE quarantine SET body=x'00'"), "entry 2001: its body is not the one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "bad.db")
			put(t, path, raw)
			tc.do(t, path)
			r, err := Check(t.Context(), path, nil)
			if err != nil || r.Damaged == 0 || !strings.Contains(strings.Join(r.Damage, "\n"), tc.says) || len(r.Damage) > maxDamage {
				t.Errorf("%v; %d places, and none says %q: %.500q", err, r.Damaged, tc.says, r.Damage)
			}
		})
	}
}

func put(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// damage changes a database behind the store's back.
func damage(t *testing.T, path, sql string) {
	t.Helper()
	s := &Store{path: path}
	c, err := s.connect(false, readerCacheKiB)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Exec("PRAGMA journal_mode=DELETE; "+sql), c.shut()); err != nil {
		t.Fatal(err)
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	text := filepath.Join(t.TempDir(), "text")
	put(t, text, []byte(strings.Repeat("no database at all\n", 500)))
	dir, s := filled(t, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx  context.Context
		path string
		want string
	}{
		"nothing there":      {t.Context(), filepath.Join(empty, "none"), "there is no store at"},
		"an empty directory": {t.Context(), empty, "there is no store at"},
		"another file":       {t.Context(), text, "is no database"},
		"an ended context":   {ended, dir, "context canceled"},
	} {
		if _, err := Check(tc.ctx, tc.path, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	if left, _ := os.ReadDir(empty); len(left) != 0 {
		t.Errorf("a refused check left %v", left)
	}
}
