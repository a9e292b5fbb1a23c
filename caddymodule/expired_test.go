package caddymodule_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/caddymodule"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// What retention makes a dead letter is seen like any other: in the log, in the
// audit log, in the counter and as a Caddy event, also after a reload, and once.
func TestExpiredIsTold(t *testing.T) {
	const source = "expired"
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	audit := filepath.Join(t.TempDir(), "audit.log")
	global := listening() + fmt.Sprintf("\nlog audit {\noutput file %s {\nroll_disabled\n}\ninclude inbox.audit\n}", audit)
	site := fmt.Sprintf("inbox_webhook /hook {\nname %s\nto 127.0.0.1:1 {\nname app\n}\n}", source)
	in := start(t, global, site)
	if err := in.load(global, site+"\nheader X-Other 1"); err != nil {
		t.Fatal(err)
	}
	id, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	eventually(t, "the route to be held", func() bool { return gather(t)[ofRoute("inbox_route_held", source, "app")] == 1 })

	store := in.store()
	sweeper := store.(interface{ Sweep(context.Context) error })
	store.Tune(spool.Settings{Retention: time.Nanosecond})
	eventually(t, "the dead letter", func() bool {
		if err := sweeper.Sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
		return len(told(source, caddymodule.EventDeadLetter)) > 0 // The probe may have been under way.
	})
	if err := sweeper.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	gather(t).want(t, series{deliveries(source, "app", "dead"): 1, ofRoute("inbox_route_dead", source, "app"): 1})
	want := map[string]any{"source": source, "route": "app", "event_id": id, "event_type": "message.read"}
	if got := told(source, caddymodule.EventDeadLetter); len(got) != 1 || !maps.Equal(got[0], want) {
		t.Errorf("told %v, want %v", got, want)
	}
	eventually(t, "the line of the log", func() bool { return in.logged(`"waited longer than retention"`) })
	raw, err := os.ReadFile(in.logs)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(raw)) {
		if strings.Contains(line, `"msg":"dead letter"`) {
			n++
			if !strings.Contains(line, id) || !strings.Contains(line, `"route":"app"`) {
				t.Errorf("the line of the log is %s", line)
			}
		}
	}
	if n != 1 {
		t.Errorf("%d lines of a dead letter", n)
	}
	ended := 0
	for _, m := range auditLines(t, audit) {
		if m["msg"] == "delivery ended" && m["event_id"] == id && m["state"] == "dead" {
			ended++
		}
	}
	if ended != 1 {
		t.Errorf("%d lines in the audit log", ended)
	}
}
