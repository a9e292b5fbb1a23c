package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxCommandBody bounds what a command reads: far more than any webhook has.
const maxCommandBody = 16 << 20

// readBody reads the body that the argument names; none, or "-", is stdin.
func readBody(cmd *cobra.Command, args []string) ([]byte, error) {
	in, name := cmd.InOrStdin(), "stdin"
	if len(args) > 0 && args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			return nil, fmt.Errorf("reading body: %w", err)
		}
		defer f.Close()
		in, name = f, args[0]
	} else if f, ok := in.(*os.File); ok && isTerminal(f) {
		fmt.Fprintln(cmd.ErrOrStderr(), "Reading the body from the terminal; Ctrl-D ends it.")
	}
	body, err := io.ReadAll(io.LimitReader(in, maxCommandBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading body from %s: %w", name, err)
	case len(body) > maxCommandBody:
		return nil, errors.New("reading body: it is longer than 16 MiB, which no webhook is")
	}
	return body, nil
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// palette colours words on a terminal and leaves them alone anywhere else.
type palette bool

func paletteFor(w io.Writer) palette {
	f, ok := w.(*os.File)
	return palette(ok && isTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func (p palette) bold(s string) string { return p.paint("1", s) }
func (p palette) good(s string) string { return p.paint("32", s) }
func (p palette) bad(s string) string  { return p.paint("31", s) }

func (p palette) paint(code, s string) string {
	if !p || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
