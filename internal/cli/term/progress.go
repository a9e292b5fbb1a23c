package term

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dustin/go-humanize"
)

// Progress is one line on stderr that changes, where that is a terminal.
type Progress struct {
	w    io.Writer // nil anywhere else
	told time.Time
}

// progressEvery paces the line.
const progressEvery = 200 * time.Millisecond

func NewProgress(w io.Writer) *Progress {
	f, ok := w.(*os.File)
	if !ok || !IsTerminal(f) || os.Getenv("TERM") == "dumb" {
		return &Progress{}
	}
	return &Progress{w: f}
}

func (p *Progress) Tell(format string, args ...any) {
	if p.w == nil || time.Since(p.told) < progressEvery {
		return
	}
	p.told = time.Now()
	fmt.Fprintf(p.w, "\r"+format+"\x1b[K", args...)
}

// end clears the line, so that what is written next stands alone.
func (p *Progress) End() {
	if p.w != nil && !p.told.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// bytes tells of work whose size is known.
func (p *Progress) Bytes(part, whole int64) {
	if whole > 0 {
		p.Tell("%3d %% of %s", part*100/whole, humanize.IBytes(uint64(whole)))
	}
}
