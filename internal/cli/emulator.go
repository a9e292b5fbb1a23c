package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/platform/emulator"
)

const defaultEmulatorListen = "127.0.0.1:4000"

func (t *tree) emulatorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "emulator [--listen <address>] [--speed <factor>] [--data <dir>]",
		Short: "Runs a small Inbox platform on this machine",
		Long: `
Answers the platform's webhook API and delivers as the platform does: signed,
with 10 s for an answer, and up to six attempts after 0 s, 30 s, 2 m, 8 m, 32 m
and 2 h. --speed 600 makes seconds of these delays; the 10 s stay.

Its API key is that of ` + env.APIKey + ` or of the file that ` + env.APIKeyFile + `
names, else one that it makes and prints. Its page at / shows a browser of this
machine the webhooks and what each attempt came to, and has buttons to send, forge
and pause. Under /_emulator/, where it answers
this machine without a key, it sends events on request, with duplicates,
forgeries and broken connections if you like, moves its clock and tells what it
has sent:

  POST /_emulator/send      {"count":100,"duplicates":0.1,"cut":0.05}
  POST /_emulator/advance   {"by":"2h"}
  GET  /_emulator/state     what was sent, and what was answered
  POST /_emulator/reset     forget both; webhooks stay

It is made for one machine and keeps to loopback: whoever can create a webhook
can have it post to any address that this machine reaches.`,
		Example: `  ` + t.Program + ` emulator --speed 600
  ` + t.Program + ` emulator --listen 127.0.0.1:0 --data ./inbox-emulator`,
		Args: NoArgs,
		RunE: t.runEmulator,
	}
	f := cmd.Flags()
	f.String("listen", defaultEmulatorListen, "where it listens; port 0 takes a free one")
	f.Float64("speed", 1, "how much faster than the platform it retries")
	f.String("data", "", "keep webhooks, deliveries and logs in this directory (default: in memory)")
	f.Uint64("seed", 0, "make the same choices in each run (default: by chance)")
	f.Bool("allow-remote", false, "listen on an address that other machines reach")
	f.BoolP("verbose", "v", false, "tell of each attempt on stderr")
	_ = cmd.MarkFlagDirname("data")
	return cmd
}

func (t *tree) runEmulator(cmd *cobra.Command, _ []string) error {
	f := cmd.Flags()
	// The flags exist and have these types, so reading them cannot fail.
	listen, _ := f.GetString("listen")
	remote, _ := f.GetBool("allow-remote")
	key, err := envAPIKey()
	if err != nil {
		return err
	}
	opts := emulator.Options{Key: key}
	opts.Speed, _ = f.GetFloat64("speed")
	opts.Dir, _ = f.GetString("data")
	opts.Seed, _ = f.GetUint64("seed")
	if opts.Speed == 0 {
		return usage("--speed must be above 0, for example 600")
	}
	if verbose, _ := f.GetBool("verbose"); verbose {
		opts.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends what the first one could not.
	context.AfterFunc(ctx, stop)

	l, err := emulatorListener(ctx, listen, remote)
	if err != nil {
		return err
	}
	e, err := emulator.New(opts)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	e.Start()
	t.introduceEmulator(cmd, e.Key(), key == "", l.Addr().(*net.TCPAddr))
	err = e.Serve(ctx, l)
	if err != nil {
		err = fmt.Errorf("serving: %w", err)
	}
	if err := errors.Join(err, e.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), "\nStopped.")
	return err
}

// emulatorListener refuses what other machines reach, unless that is wanted. It
// listens on what it has looked at, so that no name can change in between.
func emulatorListener(ctx context.Context, listen string, remote bool) (net.Listener, error) {
	addr, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return nil, Usagef("reading --listen: %w: write it as %s", err, defaultEmulatorListen)
	}
	if !remote && !addr.IP.IsLoopback() {
		return nil, Usagef("--listen %s is not loopback: other machines could have the emulator post to any address; say --allow-remote if that is wanted", listen)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("listening for the emulator: %w: give another address with --listen, such as 127.0.0.1:0", err)
	}
	return l, nil
}

func (t *tree) introduceEmulator(cmd *cobra.Command, key string, showKey bool, addr *net.TCPAddr) {
	host := ""
	if !addr.IP.IsUnspecified() {
		host = addr.IP.String()
	}
	url := "http://" + net.JoinHostPort(env.DialHost(host), fmt.Sprint(addr.Port))
	out := cmd.OutOrStdout()
	paint := term.PaletteFor(out)
	fmt.Fprintf(out, "%s  %s\n", paint.Bold("The emulator of the Inbox platform:"), url)
	fmt.Fprintf(out, "In a browser: %s/\n", url)
	export := "export " + env.APIURL + "=" + url
	if showKey {
		fmt.Fprintf(out, "Its API key: %s\n", key)
		export += " " + env.APIKey + "=" + term.ShellWord(key)
	} else {
		fmt.Fprintln(out, "Its API key is yours, from the environment.")
	}
	fmt.Fprintf(out, "\nCtrl-C ends it. In another terminal:\n  %s\n  %s webhooks create --url %s\n  curl -d '{\"count\":10}' %s/_emulator/send\n",
		export, t.Program, defaultTarget, url)
}
