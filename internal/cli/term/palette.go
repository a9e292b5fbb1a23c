package term

import (
	"io"
	"os"

	"golang.org/x/term"
)

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Screen returns the width of the terminal that w is, or of a usual one where it does
// not say, and 0 for anything else.
func Screen(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !IsTerminal(f) {
		return 0
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		return width
	}
	return Columns
}

// Palette colours words; the zero value leaves them alone.
type Palette bool

// PaletteFor returns colours for a terminal that shows them, and none for anything
// else. The variable NO_COLOR turns them off.
func PaletteFor(w io.Writer) Palette {
	f, ok := w.(*os.File)
	return Palette(ok && IsTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

// Bold returns a heading.
func (p Palette) Bold(s string) string { return p.paint("1", s) }

// Good returns s in the colour of what is well.
func (p Palette) Good(s string) string { return p.paint("32", s) }

// Bad returns s in the colour of what needs a look.
func (p Palette) Bad(s string) string { return p.paint("31", s) }

func (p Palette) paint(code, s string) string {
	if !p || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
