package term

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dustin/go-humanize"
)

// Progress is one line that changes while work goes on. The zero value writes
// nothing.
type Progress struct {
	w     io.Writer // nil unless it is a terminal
	shown time.Time // when the line last changed
}

// progressEvery is how long the line stands before it changes, at least.
const progressEvery = 200 * time.Millisecond

// NewProgress returns a line on w if that is a terminal that can overwrite it.
func NewProgress(w io.Writer) *Progress {
	f, ok := w.(*os.File)
	if !ok || !IsTerminal(f) || os.Getenv("TERM") == "dumb" {
		return &Progress{}
	}
	return &Progress{w: f}
}

// Show replaces the line, unless it has just changed.
func (p *Progress) Show(format string, args ...any) {
	if p.w == nil || time.Since(p.shown) < progressEvery {
		return
	}
	p.shown = time.Now()
	fmt.Fprintf(p.w, "\r"+format+"\x1b[K", args...)
}

// End clears the line, so that what is written next stands alone.
func (p *Progress) End() {
	if p.w != nil && !p.shown.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// ShowBytes shows how much is done of work whose size is known.
func (p *Progress) ShowBytes(part, whole int64) {
	if whole > 0 {
		p.Show("%3d %% of %s", part*100/whole, humanize.IBytes(uint64(whole)))
	}
}
