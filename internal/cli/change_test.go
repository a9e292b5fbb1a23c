package cli_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/cli"
	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

func TestDead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 6 {
		d.accept(i, "message.read", map[string]spool.State{"app": spool.Delivered, "crm": spool.Dead})
	}
	d.accept(6, "message.failed", map[string]spool.State{"app": spool.Delivered})
	out := d.says("dead", "list", "--limit", "0")
	if strings.Count(out, "\n") != 7 || strings.Count(out, "the schedule has ended") != 6 || strings.Contains(out, "app") || strings.Contains(out, "evt_6") {
		t.Errorf("the list is\n%s", out)
	}
	if out := d.says("dead", "list", "--message-id", "msg_3"); strings.Count(out, "\n") != 2 || !strings.Contains(out, "evt_3") {
		t.Errorf("by message id:\n%s", out)
	}
	const replayed = "app delivered 0, crm available 1"
	if out := d.says("dead", "replay", "evt_0"); out != "1 delivery sent again.\n" || d.states(0) != replayed {
		t.Errorf("one: %q, %s", out, d.states(0))
	}
	if out := d.says("dead", "replay", "evt_6"); !strings.HasPrefix(out, "Nothing was sent again") || d.states(6) != "app delivered 0" {
		t.Errorf("one that is not dead: %q, %s", out, d.states(6))
	}
	if out := d.says("dead", "replay", "--type", "message.read", "--dry-run"); out != "5 deliveries of 5 events would be sent again.\n" {
		t.Errorf("a dry run: %q", out)
	}
	// What was delivered elsewhere stays so.
	if out := d.says("dead", "replay", "--all", "--max", "2", "--rate", "10000", "--yes"); out != "2 deliveries of 2 events sent again.\n" || d.states(5) != replayed || d.states(4) != replayed {
		t.Errorf("two: %q, %s", out, d.states(5))
	}
	if out := d.says("dead", "discard", "evt_3", "--route", "crm"); out != "1 delivery discarded.\n" || d.states(3) != "app delivered 0, crm discarded 0" {
		t.Errorf("discarding one: %q, %s", out, d.states(3))
	}
	if out := d.says("dead", "discard", "--all", "--dry-run"); out != "2 deliveries of 2 events would be discarded.\n" || !strings.Contains(d.states(2), "dead") {
		t.Errorf("discarding, dry: %q", out)
	}
	if out := d.says("dead", "discard", "--since", "1h", "--yes"); out != "2 deliveries of 2 events discarded.\n" || d.states(2) != "app delivered 0, crm discarded 0" {
		t.Errorf("discarding all: %q, %s", out, d.states(2))
	}
	if out := d.says("dead", "list"); out != "There are none.\n" {
		t.Errorf("at last: %q", out)
	}
}

// Dead letters of a route that is configured no more are told, and the advice
// about them works.
func TestDeadOfAParkedRoute(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ok(d.store.Configure(t.Context(), "", "inbox", []spool.RouteName{{Name: "old"}}))
	d.accept(1, "message.read", map[string]spool.State{"app": spool.Dead, "old": spool.Dead})
	d.accept(2, "message.read", map[string]spool.State{"old": spool.Dead})
	advice := func(state string) string {
		return "Configure the route again, or send the events to another one with " +
			`"caddy inbox events replay --source inbox --route old` + state + ` --to <route>".` + "\n"
	}
	const passed = "Passed over: 2 deliveries of route old of source inbox, which is not in the configuration. "
	if out := d.says("dead", "replay", "--all", "--dry-run"); out != "1 delivery of 1 event would be sent again.\n"+passed+advice(" --state dead") {
		t.Errorf("a dry run: %q", out)
	}
	steps := linesOf[control.Step](d, "dead", "replay", "--all", "--yes")
	if len(steps) != 1 || steps[0].Changed != 1 || len(steps[0].PassedOver) != 1 || steps[0].PassedOver[0] != (control.PassedOver{Source: "inbox", Route: "old", Deliveries: 2}) {
		t.Errorf("in JSON: %+v", steps)
	}
	if out := d.says("events", "replay", "evt_2"); !strings.HasPrefix(out, "Nothing was sent again") || !strings.Contains(out, "Passed over: 1 delivery of route old") || !strings.Contains(out, advice("")) {
		t.Errorf("one event: %q", out)
	}
	d.ask("dead", "replay", "evt_2").complains(t, `no route "old" in its configuration: configure it`)
	if out := d.says("events", "replay", "--source", "inbox", "--route", "old", "--state", "dead", "--to", "crm", "--yes"); out != "2 deliveries of 2 events sent again.\n" {
		t.Errorf("the advice: %q", out)
	}
	if got := d.states(2); got != "old dead 0, crm available 1" {
		t.Errorf("the event is %s", got)
	}
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.odd("call " + phone)
	d.odd("another")
	all := linesOf[control.Event](d, "quarantine", "list")
	if len(all) != 2 || all[0].Reason != "no JSON object" {
		t.Fatalf("listed %+v", all)
	}
	if out := d.says("quarantine", "list"); strings.Count(out, "no JSON object") != 2 {
		t.Errorf("the list is\n%s", out)
	}
	if out := d.says("quarantine", "show", "1"); !strings.Contains(out, "call "+maskedPhone) || !strings.Contains(out, "no JSON object") {
		t.Errorf("shown:\n%s", out)
	}
	if out := d.says("quarantine", "raw", "1"); out != "call "+phone {
		t.Errorf("raw: %q", out)
	}
	if out := d.says("quarantine", "release", "1"); !strings.Contains(out, "Entry 1 was released") {
		t.Errorf("released: %q", out)
	}
	if e := linesOf[control.Event](d, "events", "list"); idsOf(e) != "released" {
		t.Errorf("events: %+v", e)
	}
	if out := d.says("quarantine", "discard", "2"); out != "Entry 2 was removed.\n" {
		t.Errorf("discarded: %q", out)
	}
	if out := d.says("quarantine", "list"); out != "There are none.\n" {
		t.Errorf("at last: %q", out)
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.accept(1, "message.read", map[string]spool.State{"app": 0, "crm": spool.Dead})
	out := d.says("routes", "list")
	wantLines(t, out, "SOURCE ROUTE WAITING RUNNING DEAD OLDEST STATE", "inbox crm 0 0 1 - ready", "other crm 0 0 0 - ready")
	if out := d.says("routes", "hold", "app", "--reason", "an upgrade"); !strings.Contains(out, `Route app of inbox is held. "caddy inbox routes resume app" ends that.`) {
		t.Errorf("held: %q", out)
	}
	if out := d.says("routes", "hold", "crm", "--source", "other"); !strings.Contains(out, "Route crm of other is held") {
		t.Errorf("held: %q", out)
	}
	all := linesOf[control.Route](d, "routes", "list")
	if len(all) != 3 || all[0].Hold == nil || all[0].Hold.Reason != "an upgrade" || all[0].State != control.RouteHeldByHand || all[1].Hold != nil || all[2].Hold == nil {
		t.Errorf("the routes are %+v", all)
	}
	// A second hold without a reason changes nothing; one with a reason has that.
	d.says("routes", "hold", "app")
	if again := linesOf[control.Route](d, "routes", "list"); again[0].Hold == nil || *again[0].Hold != *all[0].Hold {
		t.Errorf("held again it is %+v, want %+v", again[0].Hold, all[0].Hold)
	}
	d.says("routes", "hold", "crm", "--source", "other", "--reason", "theirs is down")
	if again := linesOf[control.Route](d, "routes", "list"); again[2].Hold == nil || again[2].Hold.Reason != "theirs is down" {
		t.Errorf("with a reason it is %+v", again[2].Hold)
	}
	if out := d.says("routes", "list"); !strings.Contains(out, "held by hand since ") || !strings.Contains(out, ": an upgrade\n") {
		t.Errorf("the list is\n%s", out)
	}
	if out := d.says("routes", "resume", "app"); out != "Route app of inbox is resumed.\n" {
		t.Errorf("resumed: %q", out)
	}
	if all := linesOf[control.Route](d, "routes", "list"); all[0].Hold != nil || all[0].Waiting != 1 {
		t.Errorf("the route is %+v", all[0])
	}
	if out := d.says("routes", "retry", "app"); out != "Route app of inbox: 1 delivery is attempted now.\n" {
		t.Errorf("retried: %q", out)
	}
	if n := linesOf[control.Changed](d, "routes", "retry", "app"); len(n) != 1 || n[0].Changed != 1 {
		t.Errorf("retried: %+v", n)
	}
	if out := d.says("routes", "retry", "crm", "--source", "inbox"); out != "Nothing waits for route crm of inbox.\n" {
		t.Errorf("retried: %q", out)
	}
	// A replay of what waits says what does it.
	const waits = "Nothing was sent again: no delivery of the event has ended. \"caddy inbox routes retry app\" attempts now what waits.\n"
	if out := d.says("events", "replay", "evt_1", "--route", "app"); out != waits {
		t.Errorf("replayed: %q", out)
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 20 {
		d.accept(i, "message.read", map[string]spool.State{"app": spool.Delivered})
	}
	if out := d.says("store", "status"); !strings.Contains(out, "takes events") || !strings.Contains(out, "0 entries") {
		t.Errorf("status:\n%s", out)
	}
	if s := linesOf[control.Store](d, "store", "status"); len(s) != 1 || !s[0].OK || s[0].File == 0 {
		t.Errorf("status: %+v", s)
	}
	file := filepath.Join(t.TempDir(), "copy.db")
	if out := d.says("store", "backup", file); !strings.Contains(out, "in "+file+".") {
		t.Errorf("backup: %q", out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup is %v, %v", info, err)
	}
	d.ask("store", "backup", file).complains(t, "is there already")
	broken := filepath.Join(t.TempDir(), "b.db")
	d.ok(os.WriteFile(broken+".part", nil, 0o600))
	d.ask("store", "backup", broken).complains(t, "b.db.part is there")
	if out := d.says("store", "check", file); out != file+" is sound: 20 events with 20 deliveries, 0 entries in quarantine, "+out[strings.LastIndex(out, ", ")+2:] {
		t.Errorf("check: %q", out)
	}
	d.ask("store", "check", d.dir).complains(t, "in use by process", "store backup <file>")
	raw, err := os.ReadFile(file)
	d.ok(err)
	raw[bytes.LastIndex(raw, []byte("msg_7"))] ^= 1
	d.ok(os.WriteFile(file, raw, 0o600))
	if r := d.ask("store", "check", file); r.failed == nil || r.err != "" || !strings.Contains(r.out, "its body is not the one that was stored\n") || !strings.Contains(r.out, "damaged in 1 place") {
		t.Errorf("a damaged one: %+v", r)
	}
	if r := d.ask("store", "check", file, "--format", "json"); r.failed == nil || !strings.Contains(r.out, `"damaged":1`) {
		t.Errorf("a damaged one: %+v", r)
	}
	if out := d.says("store", "compact"); !strings.HasSuffix(out, " given back.\n") {
		t.Errorf("compact: %q", out)
	}
	d.ok(d.store.Close())
	if out := d.says("store", "check", d.dir); !strings.Contains(out, "is sound: 20 events") {
		t.Errorf("check of a store that has ended: %q", out)
	}
	again, err := sqlite.Open(d.dir, sqlite.Options{})
	d.ok(err)
	d.ok(again.Close())
}

// A copy may leave by the standard output, where nothing else is written.
func TestStoreBackupToStandardOutput(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 20 {
		d.accept(i, "message.read", map[string]spool.State{"app": spool.Delivered})
	}
	r := d.ask("store", "backup", "-")
	d.ok(r.failed)
	if !strings.Contains(r.err, " written. ") {
		t.Errorf("the standard error says %q", r.err)
	}
	file := filepath.Join(t.TempDir(), "copy.db")
	d.ok(os.WriteFile(file, []byte(r.out), 0o600))
	if out := d.says("store", "check", file); !strings.Contains(out, "is sound: 20 events") {
		t.Errorf("check: %q", out)
	}
	if _, err := os.Lstat("-.part"); err == nil {
		t.Error("a file was made")
	}
}

// A backup that breaks off leaves nothing that could be taken for one.
func TestStoreBackupBreaksOff(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("half"))
	}))
	defer s.Close()
	dir := t.TempDir()
	r := runCommand(t.Context(), "", "store", "backup", filepath.Join(dir, "copy.db"), "--admin", s.URL)
	r.complains(t, "reading the copy", "unexpected EOF")
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
	runCommand(t.Context(), "", "store", "backup", "-", "--admin", s.URL).complains(t, "is not whole", "unexpected EOF")
}

func TestHealthCommand(t *testing.T) {
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" && status != http.StatusOK {
			w.WriteHeader(status)
			_, _ = w.Write([]byte("the store or its disk is full\n"))
			return
		}
		w.Header().Set("X-Inbox-Health", "ok")
		_, _ = w.Write([]byte("OK\n"))
	}))
	defer s.Close()
	address := strings.TrimPrefix(s.URL, "http://")
	port := address[strings.LastIndex(address, ":"):]
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	for _, listen := range []string{address, port, "0.0.0.0" + port, "localhost" + port} {
		t.Setenv("INBOX_OPS_LISTEN", listen)
		if r := runCommand(t.Context(), "", "health"); r.failed != nil || r.out != "OK\n" || r.err != "" {
			t.Errorf("%s: %+v", listen, r)
		}
	}
	if r := runCommand(t.Context(), "", "health", "--ready"); r.failed != nil || r.out != "OK\n" {
		t.Errorf("ready: %+v", r)
	}
	status = http.StatusServiceUnavailable
	runCommand(t.Context(), "", "health", "--ready").complains(t, "/readyz answers 503", "the store or its disk is full")
	if r := runCommand(t.Context(), "", "health"); r.failed != nil {
		t.Errorf("alive, and not ready: %+v", r)
	}
	t.Setenv("INBOX_OPS_LISTEN", "off")
	runCommand(t.Context(), "", "health").complains(t, "INBOX_OPS_LISTEN is off")
	if r := runCommand(t.Context(), "", "health", "--address", address); r.failed != nil {
		t.Errorf("--address: %+v", r)
	}
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer other.Close()
	runCommand(t.Context(), "", "health", "--address", strings.TrimPrefix(other.URL, "http://")).complains(t, "it is not inboxgate that does")
	runCommand(t.Context(), "", "health", "--address", "9180").complains(t, `--address is "9180"`)
	s.Close()
	runCommand(t.Context(), "", "health", "--address", address).complains(t, "asking "+address, "refused")
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	for answer, yes := range map[string]bool{"y\n": true, "YES\n": true, "y": true, "n\n": false, "\n": false, "": false, "yep\n": false} {
		var out strings.Builder
		err := cli.Confirm(strings.NewReader(answer), &out, "Two events will be sent.")
		if (err == nil) != yes || out.String() != "Two events will be sent. Go on? [y/N] " {
			t.Errorf("%q: %v, %q", answer, err, out.String())
		}
	}
}

// Many entries are released and discarded by filter, after a look at how many.
func TestQuarantineInBulk(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.odd("one")
	d.odd("two")
	e := &spool.Event{Source: "inbox", ID: "evt_7", Type: "message.read", Digest: spool.Digest{7}, Request: spool.Request{Method: "POST", Body: []byte("three")}}
	d.ok(d.store.Quarantine(d.Context(), spool.Odd{Event: e, Reason: "created before the window"}))
	if out := d.says("quarantine", "list", "--reason", "created"); !strings.Contains(out, "evt_7") || strings.Contains(out, "no JSON") {
		t.Errorf("list:\n%s", out)
	}
	for _, c := range []struct{ args, want string }{
		{"release --all --dry-run", "3 entries would be released. Of these 2 are taken by no route and kept as unrouted.\n"},
		{"release --reason created --dry-run", "1 entry would be released.\n"},
		{"discard --type message.failed --dry-run", "0 entries would be removed.\n"},
		{"release --reason created --yes", "1 entry released.\n"},
		{"discard --source inbox --yes", "2 entries removed.\n"},
		{"release --all --yes", "0 entries released.\n"},
	} {
		if out := d.says(append([]string{"quarantine"}, strings.Fields(c.args)...)...); out != c.want {
			t.Errorf("%s: %q, want %q", c.args, out, c.want)
		}
	}
	if got := d.states(7); got != "app available 0" {
		t.Errorf("the released event: %s", got)
	}
	for args, want := range map[string]string{
		"release": "nothing is chosen", "release --all --reason x": "exclude each other", "release 1 --reason x": "--reason is for a filter",
		"discard --reason x": "--yes",
	} {
		if r := d.ask(append([]string{"quarantine"}, strings.Fields(args)...)...); !strings.Contains(r.err, want) {
			t.Errorf("%s: %v, want %q", args, r.err, want)
		}
	}
}

// What is named in the wrong list is found by what the error says.
func TestNotFoundPointsOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.accept(1, "message.read", map[string]spool.State{"app": spool.Delivered})
	d.ask("quarantine", "show", "1").complains(t, "quarantine entry 1 not found", `"caddy inbox events show 1"`)
	d.ask("quarantine", "discard", "1").complains(t, "quarantine entry 1 not found", `"caddy inbox events show 1"`)
	d.ask("quarantine", "show", "77").complains(t, "quarantine entry 77 not found", `"caddy inbox quarantine list"`)
	d.ask("events", "show", "msg_1").complains(t, "no event msg_1", `"caddy inbox events list --message-id msg_1"`)
	for _, args := range []string{"events raw", "events replay", "dead replay", "dead discard"} {
		d.ask(append(strings.Fields(args), "msg_1")...).complains(t, `"caddy inbox events list --message-id msg_1"`)
	}
	d.ask("events", "show", "evt_9").complains(t, "no event evt_9", "its id or its number")
	for _, args := range []string{"events list --limit abc", "events list --limit -1", "dead replay --all --max x"} {
		r := d.ask(strings.Fields(args)...)
		flag := strings.Fields(args)[2]
		if flag == "--all" {
			flag = "--max"
		}
		r.complains(t, flag+" ", "a whole number", "50")
		if strings.Contains(r.err, "strconv") {
			t.Errorf("%s: %q", args, r.err)
		}
	}
}
