package term

import (
	"io"
	"os"

	"golang.org/x/term"
)

func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Palette colours words on a terminal and leaves them alone anywhere else.
type Palette bool

func PaletteFor(w io.Writer) Palette {
	f, ok := w.(*os.File)
	return Palette(ok && IsTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func (p Palette) Bold(s string) string { return p.paint("1", s) }
func (p Palette) Good(s string) string { return p.paint("32", s) }
func (p Palette) Bad(s string) string  { return p.paint("31", s) }

func (p Palette) paint(code, s string) string {
	if !p || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
