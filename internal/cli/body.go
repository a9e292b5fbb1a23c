package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
)

// maxCommandBody is how much a command reads, far more than any webhook has.
const maxCommandBody = 16 << 20

// readBody reads the body from the file that the argument names, or from stdin if
// there is none or it is "-".
func readBody(cmd *cobra.Command, args []string) ([]byte, error) {
	in, name := cmd.InOrStdin(), "stdin"
	if len(args) > 0 && args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			return nil, fmt.Errorf("reading body: %w", err)
		}
		defer f.Close()
		in, name = f, args[0]
	} else if f, ok := in.(*os.File); ok && term.IsTerminal(f) {
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
