package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

// allKnown posts each event again, as often as it takes to get an answer: what is
// missing is taken as new.
func (s *senders) allKnown(where string) {
	s.t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	missing, unanswered := 0, 0
	for id := range s.taken {
		result, err := s.post(s.t.Context(), id)
		for tries := 0; err != nil && tries < 100; tries++ {
			<-again.C
			result, err = s.post(s.t.Context(), id)
		}
		switch {
		case err != nil:
			unanswered++
			s.t.Logf("%s: %s is not answered: %v", where, id, err)
		case result != "duplicate":
			missing++
			s.t.Logf("%s: %s was %q and is %q", where, id, s.taken[id], result)
		}
	}
	if missing > 0 || unanswered > 0 {
		s.t.Errorf("%s lacks %d of %d events, and answers nothing for %d", where, missing, s.count(), unanswered)
	}
}

// allStored reads a store that no inboxgate has, for each event.
func (s *senders) allStored(where, dir string) {
	s.t.Helper()
	list := gate(s.t, filepath.Dir(dir))
	list.Args = append(list.Args, "events", "export", "--store", dir)
	out, err := list.Output()
	if err != nil {
		s.t.Errorf("reading %s: %v", where, err)
		return
	}
	stored := map[string]bool{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct{ ID string }
		if err := d.Decode(&e); err == io.EOF {
			break
		} else if err != nil {
			s.t.Fatalf("reading %s: %v", where, err)
		}
		stored[e.ID] = true
	}
	for id, result := range s.taken {
		if !stored[id] {
			s.t.Errorf("%s lacks %s, which was %q", where, id, result)
		}
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

// restarts is how often inboxgate ends beside Litestream. INBOXGATE_RESTARTS asks
// for more, to look for what happens rarely.
func restarts(t *testing.T) int {
	t.Helper()
	asked := os.Getenv("INBOXGATE_RESTARTS")
	if asked == "" {
		return 10
	}
	n, err := strconv.Atoi(asked)
	if err != nil {
		t.Fatalf("INBOXGATE_RESTARTS: %v", err)
	}
	return n
}

// Litestream waits for the store, holds a read transaction as long as it lives, and
// adds two tables. Beside it inboxgate stops, dies and starts ten times. The store
// itself, and what Litestream then restores into an empty directory, have each event
// that was acknowledged, and know its id.
func TestBesideLitestream(t *testing.T) {
	t.Parallel()
	program := litestream(t)
	dir := t.TempDir()
	t.Cleanup(func() {
		if t.Failed() {
			_ = os.CopyFS(t.ArtifactDir(), os.DirFS(dir))
		}
	})
	data, replica := filepath.Join(dir, "data"), "file://"+filepath.Join(dir, "replica")
	address := proctest.FreeAddress(t)
	start := func(data string) *proctest.Process {
		p := proctest.Start(t, gate(t, dir, "INBOX_UPSTREAM=127.0.0.1:1", "INBOX_LISTEN="+address, "INBOX_DATA_DIR="+data))
		p.Await(t, "serving initial configuration", 1)
		return p
	}
	tool := exec.Command(program, "replicate", "-log-level", "debug", filepath.Join(data, "spool.db"), replica)
	tool.Dir = dir
	beside := proctest.Start(t, tool)
	beside.Await(t, "no database found", 1)
	p := start(data)

	s := &senders{t: t, url: "http://" + address + "/webhooks/inbox", born: time.Now().UTC().Format(time.RFC3339), taken: map[string]string{}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() { s.run(ctx) })
	}
	beside.Await(t, "snapshot complete", 1)
	for round := range restarts(t) {
		s.await(50 + rand.N(200))
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
	s.allStored("the store itself", data)

	restored := filepath.Join(dir, "restored")
	if err := os.Mkdir(restored, 0o700); err != nil {
		t.Fatal(err)
	}
	restore := exec.Command(program, "restore", "-o", filepath.Join(restored, "spool.db"), replica)
	restore.Dir = dir
	if out, err := restore.CombinedOutput(); err != nil {
		t.Fatalf("restoring: %v\n%s", err, out)
	}
	s.allStored("what was restored", restored)
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
