package sqlite

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func TestDamagedEventIsADeadLetter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range int64(3) {
		e := benchEvent(n)
		e.Request.Body = fmt.Appendf(nil, `{"the body of number":%d}`, n)
		accept(t, s, e, "a", false)
	}
	s.Close()
	path := filepath.Join(dir, "spool.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte(`body of number":1`))
	b[at] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var said lines
	s = mustOpen(t, dir, Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
	got, err := s.Lease(bg, spool.Pick{Owner: "o", Route: spool.RouteKey{Source: "inbox", Route: "a"}, N: 10, LeaseFor: time.Minute})
	if err != nil || len(got.Deliveries) != 2 {
		t.Fatalf("leased %d, %v", len(got.Deliveries), err)
	}
	page, err := s.Records(bg, spool.Query{State: spool.Dead})
	if err != nil || len(page.Records) != 1 || page.Records[0].Reason != reasonDamaged ||
		page.Records[0].Deliveries[0].Reason != reasonDamaged || page.Records[0].Event.ID != benchEvent(1).ID {
		t.Errorf("dead letters: %+v, %v", page, err)
	}
	if all, err := s.Records(bg, spool.Query{}); err != nil || len(all.Records) != 3 {
		t.Errorf("%d records, %v", len(all.Records), err)
	}
	if !strings.Contains(said.String(), `level=ERROR msg="a stored event is damaged`) {
		t.Errorf("not told: %s", said.String())
	}
	if states, err := s.Routes(bg); err != nil || states[0].Dead != 1 || states[0].Running != 2 {
		t.Errorf("routes: %+v, %v", states, err)
	}
}
