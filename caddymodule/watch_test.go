package caddymodule_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"

	"github.com/inboxgate/inboxgate/caddymodule"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/verify"
)

// Nothing of a configuration goes on when Caddy has stopped, whatever became of
// its load.
func TestWatchEnds(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	for name, use := range map[string]func(in *instance){
		"routes": func(in *instance) { in.mustLoad("inbox_webhook /hook {\nname watch\nto 127.0.0.1:1\n}") },
		"pass": func(in *instance) {
			in.mustLoad("route /hook {\ninbox_webhook {\nname watch-pass\npass\n}\nrespond 200\n}")
		},
		"reload": func(in *instance) {
			for n := range 3 {
				in.mustLoad(fmt.Sprintf("inbox_webhook /hook {\nname watch\nto 127.0.0.1:1\n}\nheader X-N %d", n))
			}
		},
		"failed load": func(in *instance) {
			// The other site's address is not this machine's.
			site := "inbox_webhook /hook {\nname watch\nto 127.0.0.1:1\n}"
			for range 3 {
				if err := in.load("", site+"\n}\nhttp://192.0.2.1:81 {\nbind 192.0.2.1\nrespond 200"); err == nil {
					in.t.Error("a site on a foreign address was loaded")
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := start(t, "", "")
			before := goleak.IgnoreCurrent()
			use(in)
			if err := caddy.Stop(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the store to close", func() bool { return caddymodule.OpenStorages() == 0 })
			eventually(t, "the goroutines of this module to end", func() bool {
				err := goleak.Find(before)
				return err == nil || !strings.Contains(err.Error(), "inboxgate/caddymodule") && !strings.Contains(err.Error(), "inboxgate/internal")
			})
		})
	}
}

func (in *instance) mustLoad(site string) {
	in.t.Helper()
	if err := in.load("", site); err != nil {
		in.t.Fatal(err)
	}
}

// Want of room is told once, and again only after there was clearly more.
func TestWatchTellsOfLittleRoom(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	start(t, listening(), "inbox_webhook /hook {\nname watch\nto 127.0.0.1:1\n}")
	const gib = int64(1 << 30)
	heardBefore := len(told("", caddymodule.EventDiskLow))
	got := caddymodule.DiskLow(
		spool.Stats{Used: 8 * gib},                                    // Of 10.
		spool.Stats{Used: 9*gib + 1},                                  // Low.
		spool.Stats{Used: 9*gib + 2},                                  //
		spool.Stats{Used: 9 * gib},                                    // Not clearly better.
		spool.Stats{Used: 9*gib + 1},                                  //
		spool.Stats{Used: 8 * gib},                                    // Well.
		spool.Stats{Used: 8 * gib, Free: 149, Floor: 100},             // Low.
		spool.Stats{Used: 8 * gib, Free: 155, Floor: 100},             //
		spool.Stats{Used: 8 * gib, Free: 200, Floor: 100},             // Well.
		spool.Stats{Used: gib, Free: 200, Floor: 100, Refusing: true}, // Low.
	)
	if want := []bool{false, true, false, false, false, false, true, false, false, true}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	eventually(t, "three events", func() bool { return len(told("", caddymodule.EventDiskLow)) == heardBefore+3 })
}

// A secret that Kubernetes swaps by its symlink is taken without a reload, and
// the metric shows which of two is used.
func TestSecretsRotateWithoutReload(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", "")
	const newer = "the-newer-secret-of-the-test"
	mount := t.TempDir()
	swap := func(n int, text string) {
		t.Helper()
		dir := filepath.Join(mount, fmt.Sprintf("..%d", n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		next := filepath.Join(mount, "..next")
		if err := os.Symlink(dir, next); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(mount, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	swap(0, secret)
	path := filepath.Join(mount, "secret")
	if err := os.Symlink(filepath.Join("..data", "secret"), path); err != nil {
		t.Fatal(err)
	}
	t.Setenv("INBOX_WEBHOOK_SECRET_FILE", path)
	in := start(t, "", "inbox_webhook /env {\nname rotate-env\nto 127.0.0.1:1 {\nname app\n}\n}\ninbox_webhook /file {\nname rotate-file\nsecret {file."+path+"}\nto 127.0.0.1:1 {\nname app\n}\n}")
	status := func(where, with string) int {
		_, body := sample(t, "message.read")
		r := request(t, in.url(where), body)
		r.Header.Set(verify.Header, verify.Sign([]byte(with), body))
		return send(t, r).status
	}
	for _, where := range []string{"/env", "/file"} {
		if old, fresh := status(where, secret), status(where, newer); old != 200 || fresh != 401 {
			t.Errorf("%s at first: %d and %d", where, old, fresh)
		}
	}
	swap(1, newer+"\n"+secret+"\n")
	for _, where := range []string{"/env", "/file"} {
		eventually(t, "the newer secret at "+where, func() bool { return status(where, newer) == 200 })
		if got := status(where, secret); got != 200 {
			t.Errorf("%s with both: the old secret gets %d", where, got)
		}
	}
	got := gather(t)
	// A secret keeps its name when it moves from the first line to the second.
	for _, source := range []string{"rotate-env", "rotate-file"} {
		for key, signed := range map[string]float64{secret: 2, newer: 1} {
			name := caddymodule.Fingerprint(key)
			got.want(t, series{signatures(source, name): signed, fmt.Sprintf("inbox_secret_valid{secret=%q,source=%q}", name, source): 1})
		}
	}
	swap(2, newer)
	for _, where := range []string{"/env", "/file"} {
		eventually(t, "the end of the old secret at "+where, func() bool { return status(where, secret) == 401 })
		if got := status(where, newer); got != 200 {
			t.Errorf("%s at the end: the newer secret gets %d", where, got)
		}
	}
	eventually(t, "the old secret to leave the metrics", func() bool {
		_, shown := gather(t)[fmt.Sprintf("inbox_secret_valid{secret=%q,source=%q}", caddymodule.Fingerprint(secret), "rotate-env")]
		return !shown
	})
	if raw, _ := os.ReadFile(in.logs); strings.Contains(string(raw), secret) || strings.Contains(string(raw), newer) {
		t.Error("a secret was logged")
	}
}
