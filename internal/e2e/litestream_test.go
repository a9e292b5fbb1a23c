package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// litestream is the program that `make litestream` builds, or one that is
// installed.
func litestream(t *testing.T) string {
	t.Helper()
	built, _ := filepath.Glob("../../.build/litestream@*/litestream")
	for _, path := range append(built, "litestream") {
		if p, err := exec.LookPath(path); err == nil {
			if p, err = filepath.Abs(p); err == nil {
				return p
			}
		}
	}
	proctest.Needs(t, "litestream")
	return ""
}

// senders post events as the platform would, each again until it is taken, and
// know which were.
type senders struct {
	t    *testing.T
	url  string
	born string // created_at of all events: the same id has the same body
	next atomic.Int64

	mu    sync.Mutex
	taken map[string]string // the result, by id
}

// post sends one event and returns what became of it.
func (s *senders) post(ctx context.Context, id string) (result string, err error) {
	body := fmt.Appendf(nil, `{"id":%q,"type":"message.read","created_at":%q,"data":{"message_id":"msg_1"}}`, id, s.born)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("X-Inbox-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d", res.StatusCode)
	}
	if result = res.Header.Get("X-Inbox-Result"); result == "" {
		return "", errors.New("200 without a result")
	}
	return result, nil
}

// run sends until ctx ends.
func (s *senders) run(ctx context.Context) {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	id := ""
	for ctx.Err() == nil {
		if id == "" {
			id = fmt.Sprintf("evt_%d", s.next.Add(1))
		}
		result, err := s.post(ctx, id)
		if err != nil {
			<-again.C
			continue
		}
		s.mu.Lock()
		s.taken[id] = result
		s.mu.Unlock()
		id = ""
	}
}

// allKnown posts each event again.
func (s *senders) allKnown(where string) {
	s.t.Helper()
	missing := 0
	for id := range s.taken {
		if result, err := s.post(s.t.Context(), id); err != nil || result != "duplicate" {
			missing++
			s.t.Logf("%s: %s was %q and is %q, %v", where, id, s.taken[id], result, err)
		}
	}
	if missing > 0 {
		s.t.Errorf("%s lacks %d of %d events", where, missing, s.count())
	}
}

func (s *senders) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.taken)
}

// await waits until that many more were taken.
func (s *senders) await(more int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), proctest.Patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for want := s.count() + more; s.count() < want; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("%d events are missing of %d", want-s.count(), more)
		}
	}
}

// Litestream holds a read transaction as long as it lives, and adds two tables.
// Beside it inboxgate stops, dies and starts ten times, and what Litestream then
// restores into an empty directory has each event that was acknowledged, and knows
// its id.
func TestBesideLitestream(t *testing.T) {
	t.Parallel()
	program := litestream(t)
	dir := t.TempDir()
	data, replica := filepath.Join(dir, "data"), "file://"+filepath.Join(dir, "replica")
	address := proctest.FreeAddress(t)
	start := func(data string) *proctest.Process {
		p := proctest.Start(t, gate(t, dir, "INBOX_UPSTREAM=127.0.0.1:1", "INBOX_LISTEN="+address, "INBOX_DATA_DIR="+data))
		p.Await(t, "serving initial configuration", 1)
		return p
	}
	p := start(data)
	tool := exec.Command(program, "replicate", filepath.Join(data, "spool.db"), replica)
	tool.Dir = dir
	beside := proctest.Start(t, tool)

	s := &senders{t: t, url: "http://" + address + "/webhooks/inbox", born: time.Now().UTC().Format(time.RFC3339), taken: map[string]string{}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() { s.run(ctx) })
	}
	beside.Await(t, "snapshot", 1)
	for round := range 10 {
		s.await(200)
		if round%2 == 0 {
			if code := p.Stop(t); code != 0 {
				t.Errorf("round %d: SIGTERM ends with exit code %d", round, code)
			}
		} else {
			p.Signal(t, syscall.SIGKILL)
			p.Wait(t)
		}
		p = start(data)
	}
	s.await(200)
	cancel()
	load.Wait()
	if code := beside.Stop(t); code != 0 { // It replicates what is left first.
		t.Errorf("litestream ends with exit code %d", code)
	}
	s.allKnown("the store itself")
	if code := p.Stop(t); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}

	restored := filepath.Join(dir, "restored")
	if err := os.Mkdir(restored, 0o700); err != nil {
		t.Fatal(err)
	}
	restore := exec.Command(program, "restore", "-o", filepath.Join(restored, "spool.db"), replica)
	restore.Dir = dir
	if out, err := restore.CombinedOutput(); err != nil {
		t.Fatalf("restoring: %v\n%s", err, out)
	}
	check := gate(t, dir)
	check.Args = append(check.Args, "store", "check", restored)
	if out, err := check.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("_litestream_seq")) {
		t.Errorf("store check: %v\n%s", err, out)
	}
	start(restored)
	s.allKnown("what was restored")
	if result, err := s.post(t.Context(), "evt_new"); err != nil || result != "accepted" {
		t.Errorf("a new event is %q, %v", result, err)
	}
	if _, err := os.Stat(filepath.Join(restored, "acknowledged")); errors.Is(err, os.ErrNotExist) {
		t.Error("the restored store keeps no mark")
	}
	t.Logf("%d events", s.count())
}
