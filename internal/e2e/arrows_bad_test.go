package e2e

import (
	"testing"
	"testing/fstest"
)

// Arrows that must be caught, and a few that must not.
func TestArrowsCatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		test     bool
		ok       bool
	}{
		{from: "sidecar", to: module + "/caddymodule", ok: true},
		{from: "sidecar", to: module + "/internal/spool"},
		{from: "sidecar", to: "github.com/caddyserver/caddy/v2/cmd", ok: true},
		{from: "", to: module + "/caddymodule", ok: true},
		{from: "", to: module + "/dedupe"},
		{from: "caddymodule", to: module + "/internal/deliver", ok: true},
		{from: "caddymodule", to: "go.uber.org/zap", ok: true},
		{from: "verify", to: "crypto/hmac", ok: true},
		{from: "verify", to: "golang.org/x/crypto/hkdf"},
		{from: "verify", to: module + "/event"},
		{from: "verify", to: module + "/event", test: true},
		{from: "verify", to: module + "/verify", test: true, ok: true},
		{from: "verify", to: "pgregory.net/rapid", test: true, ok: true},
		{from: "dedupe", to: "github.com/dgraph-io/ristretto/v2", ok: true},
		{from: "dedupe", to: module + "/internal/spool"},
		{from: "event", to: module + "/verify"},
		{from: "event", to: "github.com/caddyserver/caddy/v2"},
		{from: "internal/spool", to: module + "/event"},
		{from: "internal/spool", to: module + "/internal/spool/sqlite"},
		{from: "internal/spool/sqlite", to: module + "/internal/spool", ok: true},
		{from: "internal/spool/sqlite", to: module + "/internal/deliver"},
		{from: "internal/spool/sqlite", to: module + "/internal/spool/spooltest"},
		{from: "internal/spool/sqlite", to: module + "/internal/spool/spooltest", test: true, ok: true},
		{from: "internal/spool/sqlite/page", to: module + "/internal/deliver"},
		{from: "internal/spool/spooltest", to: module + "/dedupe", ok: true},
		{from: "internal/spool/spooltest", to: module + "/internal/spool/sqlite"},
		{from: "internal/deliver", to: module + "/internal/spool", ok: true},
		{from: "internal/deliver", to: module + "/internal/spool/sqlite"},
		{from: "internal/deliver", to: module + "/event"},
		{from: "internal/deliver", to: "go.uber.org/zap/zapcore"},
		{from: "internal/deliver", to: "go.uber.org/zap", test: true},
		{from: "internal/platform", to: module + "/verify", ok: true},
		{from: "internal/platform", to: module + "/internal/platform/emulator"},
		{from: "internal/platform/emulator", to: module + "/internal/platform", ok: true},
		{from: "internal/platform/emulator", to: module + "/internal/spool"},
		{from: "examples/library", to: module + "/verify", ok: true},
		{from: "examples/library", to: module + "/caddymodule"},
		{from: "examples/library", to: module + "/internal/spool"},
		{from: "examples/library", to: module},
		{from: "helpers", to: "fmt"},
	} {
		in := imports{code: []string{c.to}}
		if c.test {
			in = imports{tests: []string{c.to}}
		}
		if bad := broken(map[string]imports{c.from: in}); (len(bad) == 0) != c.ok {
			t.Errorf("%q -> %s (test %v): found %v, want ok %v", c.from, c.to, c.test, bad, c.ok)
		}
	}
}

// The walk sees every file that belongs to the module, and no other.
func TestArrowsRead(t *testing.T) {
	t.Parallel()
	bad := &fstest.MapFile{Data: []byte("package p\n\nimport _ \"" + module + "/caddymodule\"\n")}
	found, err := read(fstest.MapFS{
		"event/event.go":             bad,
		"event/parse_windows.go":     bad,
		"event/event_test.go":        bad,
		"event/testdata/sample.go":   bad,
		"event/.hidden/sample.go":    bad,
		"examples/own/go.mod":        {Data: []byte("module own\n")},
		"examples/own/main.go":       bad,
		"node_modules/some/thing.go": bad,
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || len(found["event"].code) != 2 || len(found["event"].tests) != 1 {
		t.Fatalf("read %v", found)
	}
	if bad := broken(found); len(bad) != 3 {
		t.Errorf("broken = %v, want 3", bad)
	}
	if _, err := read(fstest.MapFS{"event/event.go": {Data: []byte("no Go")}}); err == nil {
		t.Error("a file that cannot be parsed was passed over")
	}
}
