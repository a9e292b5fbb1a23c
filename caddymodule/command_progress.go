package caddymodule

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/control"
)

// progress is one line on stderr that changes, where that is a terminal.
type progress struct {
	w    io.Writer // nil anywhere else
	told time.Time
}

// progressEvery paces the line.
const progressEvery = 200 * time.Millisecond

func newProgress(cmd *cobra.Command) *progress {
	f, ok := cmd.ErrOrStderr().(*os.File)
	if !ok || !isTerminal(f) || os.Getenv("TERM") == "dumb" {
		return &progress{}
	}
	return &progress{w: f}
}

func (p *progress) tell(format string, args ...any) {
	if p.w == nil || time.Since(p.told) < progressEvery {
		return
	}
	p.told = time.Now()
	fmt.Fprintf(p.w, "\r"+format+"\x1b[K", args...)
}

// end clears the line, so that what is written next stands alone.
func (p *progress) end() {
	if p.w != nil && !p.told.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// bytes tells of work whose size is known.
func (p *progress) bytes(part, whole int64) {
	if whole > 0 {
		p.tell("%3d %% of %s", part*100/whole, humanize.IBytes(uint64(whole)))
	}
}

// step tells of work on events.
func (p *progress) step(s control.Step) {
	if s.Whole > 0 {
		p.bytes(s.Part, s.Whole)
		return
	}
	p.tell("%s events, %s deliveries", humanize.Comma(s.Matched), humanize.Comma(s.Changed))
}

// errNotAsked tells that nobody is there to be asked.
var errNotAsked = usage("this may change many events, and there is no terminal to ask at: look with --dry-run, then say --yes")

// asks tells whether the user sits at a terminal.
func asks(cmd *cobra.Command) bool {
	f, ok := cmd.InOrStdin().(*os.File)
	return ok && isTerminal(f)
}

// confirm asks a question that only a clear yes answers.
func confirm(in io.Reader, out io.Writer, question string) error {
	fmt.Fprintf(out, "%s Go on? [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was changed")
}
