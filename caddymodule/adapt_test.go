package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/inboxgate/inboxgate/caddymodule"
)

var update = flag.Bool("update", false, "write the golden files anew")

// adapt turns a Caddyfile into indented JSON.
func adapt(t *testing.T, name, text string) (string, error) {
	t.Helper()
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": name})
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return out.String() + "\n", nil
}

const divider = "----------\n"

// Each file is a Caddyfile, a line of dashes, and the JSON or the error that
// it adapts to.
func TestAdapt(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(raw), divider)
			got, err := adapt(t, "Caddyfile", input)
			if err != nil {
				got = err.Error() + "\n"
			}
			wantsError := strings.HasPrefix(filepath.Base(file), "error_")
			if wantsError != (err != nil) {
				t.Fatalf("error is %v", err)
			}
			if err != nil && !strings.Contains(got, "Caddyfile:") {
				t.Errorf("the error names no line: %s", got)
			}
			if *update {
				if err := os.WriteFile(file, []byte(input+divider+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}
