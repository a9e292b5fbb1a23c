package caddymodule_test

import (
	"os"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/caddymodule"
)

// A reload to another data_dir is refused while events wait in the former one, and
// what runs goes on; once they are delivered it is taken, and says what it leaves.
func TestReloadLeavesNothingWaitingBehind(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	gone := "127.0.0.1:1"
	site := func(app string) string { return "inbox_webhook /hook {\nto " + app + " {\nname app\n}\n}" }
	in := start(t, "", site(gone))
	id, body := sample(t, "message.read")
	if r := post(t, in.url("/hook"), body); r.result != "accepted" {
		t.Fatalf("%+v", r)
	}
	former := in.dir
	in.dir += "-other"
	err := in.load("", site(gone))
	if err == nil || !strings.Contains(err.Error(), "the store changes from "+former+" to "+in.dir+" while 1 deliveries wait in the former") {
		t.Fatalf("a reload that leaves an event behind: %v", err)
	}
	if r := post(t, in.url("/hook"), body); r.result != "duplicate" {
		t.Errorf("what ran knows the event no more: %+v", r)
	}
	if caddymodule.StoreOf(in.dir) != nil {
		t.Error("the other store is open")
	}
	app := newApp(t, nil)
	in.dir = former
	if err := in.load("", site(app.addr())); err != nil {
		t.Fatal(err)
	}
	app.await(t, id)
	in.dir += "-other"
	eventually(t, "the reload to be taken", func() bool { return in.load("", site(app.addr())) == nil })
	raw, err := os.ReadFile(in.logs)
	if err != nil || !strings.Contains(string(raw), "the store has changed") || !strings.Contains(string(raw), `"former":"`+former+`"`) {
		t.Errorf("nothing is said of the former store: %v", err)
	}
}
