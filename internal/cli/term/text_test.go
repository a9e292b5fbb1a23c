package term_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/cli/term"
)

// A shell reads back what ShellWord was given.
func TestShellWord(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"plain", "/run/inbox gate/x", "it's", `"; rm -rf $HOME`, "a\\b", "", "ü*?[x]"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+term.ShellWord(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q: the shell reads %q, %v", word, out, err)
		}
	}
	if got := term.ShellWord("a\x1b[2J\nb"); strings.ContainsAny(got, "\x1b\n") {
		t.Errorf("got %q, with control characters", got)
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "short": "short", "exactly10!": "exactly10!", "more than ten": "more than…", "ünïcödé text": "ünïcödé t…"} {
		if got := term.Cut(text, 10); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// A value from elsewhere moves neither the cursor nor the columns.
func TestTable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	table := term.NewTable(&out)
	table.Row("ID", "STATE")
	table.Row("a\tb\x1b[2J", 7)
	table.Row("c", term.Painted(term.Palette(true).Good("ready")))
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "ID       STATE\na b [2J  7\nc        \x1b[32mready\x1b[0m\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// Into anything but a terminal goes plain text.
func TestNoTerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	line := term.NewProgress(&out)
	line.Show("%d events", 1)
	line.ShowBytes(1, 2)
	line.End()
	if text := term.PaletteFor(&out).Bad("text"); text != "text" || out.Len() > 0 {
		t.Errorf("got %q, and %q on the line", text, out.String())
	}
}
