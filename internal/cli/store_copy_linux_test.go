package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// TestStoreCopy moves a store into a database and back, as an operator does.
func TestStoreCopy(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 20 {
		d.accept(i, "message.read", map[string]spool.State{"app": spool.Delivered})
	}
	url := filepath.Join(t.TempDir(), "url")
	d.ok(os.WriteFile(url, []byte(pgtest.Shared(t).Database(t)), 0o600))
	d.ask("store", "copy", d.dir, "file:"+url).complains(t, "in use by process", "stop it first")
	d.ask("store", "copy", "postgres://u:topsecret@h/db", d.dir).complains(t, "<from>:", "env:NAME")
	d.ask("store", "copy", d.dir).complains(t)
	d.ok(d.store.Close())
	if out := d.says("store", "copy", d.dir, "file:"+url); !strings.HasPrefix(out, d.dir+" is now in postgres://") ||
		!strings.Contains(out, ": 20 events of ") || !strings.Contains(out, " with 20 deliveries, 20 ids, 0 entries in quarantine, ") {
		t.Errorf("into the database: %q", out)
	}
	d.ask("store", "copy", d.dir, "file:"+url).complains(t, "copy into an empty one")
	back := filepath.Join(t.TempDir(), "back")
	if out := d.says("store", "copy", "file:"+url, back, "--format", "json"); !strings.Contains(out, `"events":20,"deliveries":20,"ids":20,"quarantined":0`) {
		t.Errorf("and back: %q", out)
	}
	if out := d.says("store", "check", back); !strings.Contains(out, "is sound: 20 events with 20 deliveries") {
		t.Errorf("check: %q", out)
	}
}
