package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

func TestArgumentsOfACommand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ typed, want []string }{
		{[]string{"inboxgate", "sign", "--help"}, []string{"inboxgate", "inbox", "sign", "--help"}},
		{[]string{"inboxgate", "verify", "sign"}, []string{"inboxgate", "inbox", "verify", "sign"}},
		{[]string{"inboxgate", "inbox", "sign"}, []string{"inboxgate", "inbox", "sign"}},
		{[]string{"inboxgate", "run"}, []string{"inboxgate", "run"}},
		{[]string{"inboxgate", "version"}, []string{"inboxgate", "inbox", "version"}},
		{[]string{"inboxgate", "validate", "--config", "sign"}, []string{"inboxgate", "validate", "--config", "sign"}},
		{[]string{"inboxgate", "help", "events", "show"}, []string{"inboxgate", "help", "inbox", "events", "show"}},
		{[]string{"inboxgate", "help", "run"}, []string{"inboxgate", "help", "run"}},
		{[]string{"inboxgate", "--help"}, []string{"inboxgate", "--help"}},
		{[]string{"inboxgate", "__complete", "events", "list", "--state", ""}, []string{"inboxgate", "__complete", "inbox", "events", "list", "--state", ""}},
		{[]string{"inboxgate", "__complete", "events"}, []string{"inboxgate", "__complete", "events"}},
		{[]string{"inboxgate", "__completeNoDesc", "run", ""}, []string{"inboxgate", "__completeNoDesc", "run", ""}},
		{nil, nil},
	} {
		typed := slices.Clone(c.typed)
		if got := arguments(typed); !slices.Equal(got, c.want) {
			t.Errorf("arguments(%q) = %q, want %q", c.typed, got, c.want)
		}
		if !slices.Equal(typed, c.typed) {
			t.Errorf("arguments changed %q to %q", c.typed, typed)
		}
	}
}

// Not parallel: it sets the path of the mounted Caddyfile.
func TestArgumentsOfNothing(t *testing.T) {
	old := mountedCaddyfile
	t.Cleanup(func() { mountedCaddyfile = old })
	mountedCaddyfile = filepath.Join(t.TempDir(), "Caddyfile")

	want := []string{"inboxgate", "run", "--config", os.DevNull, "--adapter", adapterName}
	if got := arguments([]string{"inboxgate"}); !slices.Equal(got, want) {
		t.Errorf("without a mounted Caddyfile: %q, want %q", got, want)
	}
	if err := os.WriteFile(mountedCaddyfile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want = []string{"inboxgate", "run", "--config", mountedCaddyfile, "--adapter", "caddyfile"}
	if got := arguments([]string{"inboxgate"}); !slices.Equal(got, want) {
		t.Errorf("with a mounted Caddyfile: %q, want %q", got, want)
	}
	// A directory is what Docker makes of a file that does not exist. It must
	// not pass for "nothing mounted".
	mountedCaddyfile = t.TempDir()
	if got := arguments([]string{"inboxgate"}); got[3] != mountedCaddyfile {
		t.Errorf("with a directory mounted: %q", got)
	}
}

func TestShortCommandsHideNoCommandOfCaddy(t *testing.T) {
	t.Parallel()
	theirs := caddycmd.Commands()
	for _, name := range subcommands() {
		// Ours says both versions.
		if _, ok := theirs[name]; ok && name != "version" {
			t.Errorf("inboxgate %s is a command of Caddy and of ours", name)
		}
	}
}

// A shell completes the short commands, and those that Caddy adds itself once.
func TestSuggest(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"ve": "verify\n", "val": "", "rou": "routes\n"} {
		var b strings.Builder
		if suggest(&b, []string{"inboxgate", "__complete", word}); b.String() != want {
			t.Errorf("%s: %q, want %q", word, b.String(), want)
		}
	}
}
