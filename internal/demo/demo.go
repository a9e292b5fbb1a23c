// Package demo shows a webhook's whole life on one machine: an emulator of the Inbox
// platform, inboxgate in this process, two apps behind it, and pages to watch them. It does what a user
// would do: it registers through the platform's API, writes a Caddyfile, and asks
// inboxgate through the operator's API on a socket of its own.
//
// Guarantee: unless the user says otherwise everything listens on loopback; all files
// lie in one temporary directory, which is removed (the socket in one of its own if
// its path would be too long). A delivery that is missing, doubled or changed, or a
// wrong answer, is an error.
//
// Limits: it loads its configuration into the Caddy of this process, so the program
// can do nothing else meanwhile. Its pages ask nobody who they are: whoever can connect
// to this machine's loopback may use them.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli"
	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/dashboard"
	"github.com/inboxgate/inboxgate/internal/demo/desk"
	"github.com/inboxgate/inboxgate/verify"
)

// limit bounds the story, which takes a few seconds if all is well.
const limit = 30 * time.Second

// Command returns the command that plays the demo.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo [--once]",
		Short: "Shows a webhook's whole life on this machine",
		Long: `
Starts an emulator of the Inbox platform, inboxgate and two small receivers on
loopback, in a temporary directory. It registers inboxgate as a webhook through
the API, which answers with the secret, and has the emulator send the four
signed events, a duplicate and forgeries; it stops a receiver, sends more and
starts it again. It tells what was answered and what arrived, and fails if
anything is missing, doubled, changed or wrongly answered. The operator's commands,
such as events list, find it while it runs.

Nothing is needed but this program: no network, no configuration, no account.
Afterwards it keeps running until Ctrl-C, unless you say --once, and prints links
for a browser: the dashboard; the desk, where an app is taken down or up, slowed,
or made to answer 500, 429 or 410, and where one event, a storm, forgeries,
duplicates and odd bodies are sent; and what the platform sent. On a terminal the
same switches are single keys. inboxgate tries again after ` + schedule + ` here, so
that a dead letter takes 17 s and not hours.`,
		Example: `  ` + programName() + ` demo --once
  ` + programName() + ` demo --listen 127.0.0.1:8080`,
		Args: cli.NoArgs,
		RunE: runDemo,
	}
	cmd.Flags().Bool("once", false, "exit when the story has been told")
	cmd.Flags().String("listen", "127.0.0.1:0", "where inboxgate listens; port 0 takes a free one")
	cmd.Flags().Bool("keep", false, "keep the temporary directory: Caddyfile, store and log")
	return cmd
}

func runDemo(cmd *cobra.Command, _ []string) error {
	once, _ := cmd.Flags().GetBool("once")
	listen, _ := cmd.Flags().GetString("listen")
	keep, _ := cmd.Flags().GetBool("keep")
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d, err := open(ctx, cmd.OutOrStdout(), listen, nil)
	if err != nil {
		return err
	}
	if !once {
		d.pace = paceFor(ctx, cmd.OutOrStdout())
	}
	faults := d.play(ctx)
	interrupted := ctx.Err() != nil
	var stayed error
	if len(faults) == 0 && !once && !interrupted {
		stdin, _ := cmd.InOrStdin().(*os.File)
		stayed = d.stayUp(ctx, stdin)
	}
	if err := errors.Join(stayed, d.close(keep || len(faults) > 0 && !interrupted)); err != nil {
		return err
	}
	switch {
	case interrupted:
		return errInterrupted
	case len(faults) > 0:
		d.say("")
		for _, f := range faults {
			d.say("  %s %s", d.paint.Bad("wrong:"), f)
		}
		d.say("  The log of inboxgate: %s", d.gate.logFile)
		return fmt.Errorf("the demo failed in %d points", len(faults))
	}
	if keep {
		d.say("\nKept in %s: Caddyfile, store, log, secret and API key.", d.gate.dir)
	}
	return nil
}

var errInterrupted = errors.New("stopped before the end of the story")

// demo is an emulator of the platform, inboxgate, and two apps behind it.
type demo struct {
	mu    sync.Mutex // held while a line is written
	out   io.Writer
	paint term.Palette
	pace  *pace // nil where nobody reads along

	platform    *localPlatform
	gate        *gate
	app, onCall *desk.App // the app takes every event, on-call those that failed
	ledger      *ledger
	desk        *desk.Desk
	dashboard   *dashboard.Dashboard // these are nil until it stays up
	sites       []*site
}

// Names of the routes, and of the receivers behind them.
const (
	appRoute    = "app"
	onCallRoute = "on-call"
)

// open starts everything. transport carries the emulator's requests; nil is its own.
func open(ctx context.Context, out io.Writer, listen string, transport http.RoundTripper) (*demo, error) {
	d := &demo{out: out, paint: term.PaletteFor(out), ledger: newLedger()}
	if err := d.open(ctx, listen, transport); err != nil {
		if ctx.Err() != nil {
			err = errInterrupted
		}
		return nil, errors.Join(err, d.close(false))
	}
	return d, nil
}

// open registers before it starts inboxgate, as a user has to: the platform makes the
// secret.
func (d *demo) open(ctx context.Context, listen string, transport http.RoundTripper) (err error) {
	if d.gate, err = newGate(listen); err != nil {
		return err
	}
	if d.platform, err = openPlatform(transport); err != nil {
		return err
	}
	if err := d.platform.register(ctx, d.gate.url); err != nil {
		return err
	}
	secret := d.platform.webhook.Secret
	v, err := verify.New(verify.Key(secret))
	if err != nil {
		return err
	}
	d.app = &desk.App{Name: appRoute, Takes: "every event", Verifier: v, Note: d.ledger.came}
	d.onCall = &desk.App{Name: onCallRoute, Takes: "message.failed", Verifier: v, Note: d.ledger.came}
	for _, a := range []*desk.App{d.app, d.onCall} {
		if err := a.Set(desk.Up); err != nil {
			return err
		}
	}
	d.desk = &desk.Desk{Apps: []*desk.App{d.app, d.onCall}, Platform: d.platform.emulator, Explains: explains}
	return d.gate.start(secret, d.platform.client.Key, d.app.Addr(), d.onCall.Addr())
}

// say prints lines, wrapped to the width of a terminal.
func (d *demo) say(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		lead := len(line) - len(strings.TrimLeft(line, " "))
		d.write(term.Wrap(line, lead+2, ""))
	}
}

// write prints one line.
func (d *demo) write(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintln(d.out, line)
}

// close ends everything, the senders before what they wait for, and removes the
// directory unless it is to be kept.
func (d *demo) close(keep bool) error {
	var errs []error
	for _, s := range d.sites {
		errs = append(errs, s.close())
	}
	if d.dashboard != nil {
		d.dashboard.Close()
	}
	if d.platform != nil {
		errs = append(errs, d.platform.close())
	}
	if d.gate != nil {
		errs = append(errs, d.gate.close(keep))
	}
	for _, a := range []*desk.App{d.app, d.onCall} {
		if a != nil {
			errs = append(errs, a.Set(desk.Down))
		}
	}
	return errors.Join(errs...)
}

// programName returns how the user of this program starts a command.
func programName() string { return cli.ProgramName(caddy.CustomBinaryName) }
