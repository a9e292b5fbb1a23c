package caddymodule

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/verify"
)

// demoLimit bounds the story; it takes a few seconds where all is well.
const demoLimit = 30 * time.Second

func demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo [--once]",
		Short: "Shows a webhook's whole life on this machine",
		Long: `
Starts inboxgate and two small receivers on loopback, in a temporary directory
and with a secret made for the occasion, and plays the platform: it sends the
four signed events, a duplicate and a forgery, stops a receiver, sends more and
starts it again. It tells what was answered and what arrived, and fails if
anything is missing, doubled, changed or wrongly answered.

Nothing is needed but this program: no network, no configuration, no account.
Afterwards it keeps running for your own events until Ctrl-C, unless you say
--once.`,
		Example: `  ` + programName() + ` demo --once
  ` + programName() + ` demo --listen 127.0.0.1:8080`,
		Args: cobra.NoArgs,
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
	d, err := openDemo(cmd.OutOrStdout(), listen)
	if err != nil {
		return err
	}
	faults := d.tell(ctx)
	interrupted := ctx.Err() != nil
	if len(faults) == 0 && !once && !interrupted {
		d.stayUp(ctx)
	}
	if err := d.close(keep || len(faults) > 0 && !interrupted); err != nil {
		return err
	}
	switch {
	case interrupted:
		return errors.New("stopped before the end of the story")
	case len(faults) > 0:
		d.say("")
		for _, f := range faults {
			d.say("  %s %s", d.paint.bad("wrong:"), f)
		}
		d.say("  The log of inboxgate: %s", d.gate.logFile)
		return fmt.Errorf("the demo failed in %d points", len(faults))
	}
	if keep {
		d.say("\nKept in %s: Caddyfile, store, log and secret.", d.gate.dir)
	}
	return nil
}

// demo is inboxgate, two apps behind it, and somebody who plays the platform.
type demo struct {
	out   io.Writer
	paint palette

	secret      []byte
	gate        *demoGate
	app, onCall *receiver
	ledger      *ledger
	platform    sender
}

const (
	appRoute    = "app"
	onCallRoute = "on-call"
)

func openDemo(out io.Writer, listen string) (*demo, error) {
	d := &demo{out: out, paint: paletteFor(out), ledger: newLedger()}
	if err := d.open(listen); err != nil {
		return nil, errors.Join(err, d.close(false))
	}
	return d, nil
}

func (d *demo) open(listen string) error {
	random := make([]byte, 24)
	_, _ = rand.Read(random) // Never fails.
	d.secret = []byte(hex.EncodeToString(random))
	v, err := verify.New(verify.Secret{Key: d.secret})
	if err != nil {
		return err
	}
	d.app = &receiver{name: appRoute, verifier: v, note: d.ledger.note}
	d.onCall = &receiver{name: onCallRoute, verifier: v, note: d.ledger.note}
	for _, r := range []*receiver{d.app, d.onCall} {
		if err := r.start(); err != nil {
			return err
		}
	}
	if d.gate, err = openDemoGate(listen, d.secret, d.app.addr, d.onCall.addr); err != nil {
		return err
	}
	d.platform = newPoster(d.gate.url, defaultPostTimeout)
	return nil
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, format+"\n", args...)
}

// stayUp tells of everything that arrives, until ctx ends.
func (d *demo) stayUp(ctx context.Context) {
	d.say("\n%s Ctrl-C ends it. In another terminal:", d.paint.bold("inboxgate keeps running for your own events."))
	d.say("  export %s=%s", EnvSecretFile, d.gate.secretFile)
	d.say("  %s trigger message.failed --to %s", programName(), d.gate.url)
	d.say("  %s trigger all --to %s --duplicate", programName(), d.gate.url)
	d.say("  %s trigger message.read --to %s --bad-signature", programName(), d.gate.url)
	d.say("The configuration: %s\n", filepath.Join(d.gate.dir, "Caddyfile"))
	for a := range d.ledger.live(ctx) {
		d.say("  %s  %-7s  %-17s  %s", a.at.Format(time.TimeOnly), a.receiver, a.typ, a.id)
	}
	d.say("\nStopped.")
}

// close ends everything in the order in which nothing is left waiting, and
// removes the directory unless it is to be kept.
func (d *demo) close(keep bool) error {
	if p, ok := d.platform.(*poster); ok {
		p.close()
	}
	var err error
	if d.gate != nil {
		err = d.gate.close(keep)
	}
	for _, r := range []*receiver{d.app, d.onCall} {
		if r != nil {
			r.stop()
		}
	}
	return err
}
