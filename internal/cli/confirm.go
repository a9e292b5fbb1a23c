package cli

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

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
)

// showStep shows how far work on events is.
func showStep(p *term.Progress, s control.Step) {
	if s.Whole > 0 {
		p.ShowBytes(s.Part, s.Whole)
		return
	}
	p.Show("%s", stepText(s))
}

// errNotAsked refuses a change of many events that no user can confirm.
var errNotAsked = usage("this may change many events, and there is no terminal to ask at: look with --dry-run, then say --yes")

// interactive reports whether the user can be asked a question.
func interactive(cmd *cobra.Command) bool {
	f, ok := cmd.InOrStdin().(*os.File)
	return ok && term.IsTerminal(f)
}

// confirm asks a question, and returns an error unless the answer is a clear yes.
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

// stepText returns how far work on events is, and when it will be done.
func stepText(s control.Step) string {
	text := count(s.Matched, "event", "events")
	if s.Total > 0 {
		total := count(s.Total, "event", "events")
		if s.Partial {
			total = humanize.Comma(s.Total) + "+ events"
		}
		text = humanize.Comma(s.Matched) + " of " + total
	}
	text += ", " + deliveries(s.Changed)
	if s.Rate > 0 {
		text += fmt.Sprintf(", %s/s", humanize.Ftoa(s.Rate))
		if s.Rest > 0 && !s.Partial {
			text += ", " + age(time.Duration(float64(s.Rest)/s.Rate*float64(time.Second))) + " left"
		}
	}
	return text
}
