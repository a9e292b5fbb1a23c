package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	_ "github.com/inboxgate/inboxgate/caddymodule"

	"github.com/inboxgate/inboxgate/internal/cli"
	"github.com/inboxgate/inboxgate/internal/env"
)

// patience bounds every wait of these tests; none of them waits that long on
// a machine that is well.
const patience = 60 * time.Second

// program is `caddy inbox` as it is registered, below a root like Caddy's.
func program() *cobra.Command {
	inbox := &cobra.Command{Use: cli.Group}
	caddycmd.Commands()[cli.Group].CobraFunc(inbox)
	root := &cobra.Command{Use: "caddy", SilenceUsage: true}
	root.AddCommand(inbox)
	return root
}

// ran is what a command left behind.
type ran struct {
	out, err string
	failed   error
}

func runCommand(ctx context.Context, stdin string, args ...string) ran {
	var out, errs bytes.Buffer
	root := program()
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(append([]string{"inbox"}, args...))
	err := root.ExecuteContext(ctx)
	return ran{out.String(), errs.String(), err}
}

// complains checks for one clear line on stderr, and nothing else.
func (r ran) complains(t *testing.T, says ...string) {
	t.Helper()
	if r.failed == nil {
		t.Error("it did not fail")
	}
	if !strings.HasPrefix(r.err, "Error: ") || strings.Count(r.err, "\n") != 1 {
		t.Errorf("stderr is not one line: %q", r.err)
	}
	for _, s := range says {
		if !strings.Contains(r.err, s) {
			t.Errorf("%q does not say %q", r.err, s)
		}
	}
	if strings.Contains(r.out+r.err, "Usage:") {
		t.Errorf("the usage is dumped: %q", r.out+r.err)
	}
}

func apiEnv(t *testing.T, url, key, keyFile string) {
	t.Helper()
	t.Setenv(env.APIURL, url)
	t.Setenv(env.APIKey, key)
	t.Setenv(env.APIKeyFile, keyFile)
}

// objects runs a command with --format json and reads the lines.
func objects[T any](t *testing.T, args ...string) []T {
	t.Helper()
	r := runCommand(t.Context(), "", append([]string{"webhooks", "--format", "json"}, args...)...)
	if r.failed != nil || r.err != "" {
		t.Fatalf("%q: %+v", args, r)
	}
	var all []T
	for line := range strings.Lines(r.out) {
		var one T
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&one); err != nil {
			t.Fatalf("%q: %v in %q", args, err, line)
		}
		all = append(all, one)
	}
	return all
}

func object[T any](t *testing.T, args ...string) T {
	t.Helper()
	all := objects[T](t, args...)
	if len(all) != 1 {
		t.Fatalf("%q: %d lines, want one", args, len(all))
	}
	return all[0]
}
