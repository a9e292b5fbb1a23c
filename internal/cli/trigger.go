package cli

import (
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/nearest"
)

const (
	defaultTarget = "http://127.0.0.1:8080/webhooks/inbox"
	// defaultPostTimeout is how long the platform waits.
	defaultPostTimeout = 10 * time.Second
	allTypes           = "all" // instead of a type
)

func (t *tree) triggerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trigger <type>|all",
		Short: "Posts realistic signed events to a URL",
		Long: `
Makes events as the platform does, each with an id of its own and the present
time, signs them and posts them. Each line shows an event's id and type, the
status, inboxgate's result and reason, and the time taken.

The type is one of ` + strings.Join(event.Types(), ", ") + `,
or "all" for one of each.

The exit code is 1 unless every answer was the right one: 200 with inboxgate's
X-Inbox-Result, or 401 with --bad-signature. With --direct, which is for an app
without inboxgate before it, any 200 will do. Names that end in .localhost are
this machine. The secret comes from ` + env.Secret + ` (of several the
first), from the file that ` + env.SecretFile + ` names, or from --secret-file.`,
		Example: `  ` + t.Program + ` trigger message.failed
  ` + t.Program + ` trigger message.delivered --override data.to=+15557654321 --duplicate
  ` + t.Program + ` trigger all --count 1000 --rate 200 --format json
  ` + t.Program + ` trigger --raw body.json --to https://hooks.example.com/webhooks/inbox`,
		Args:              oneType,
		ValidArgsFunction: completeTypes,
		RunE:              runTrigger,
	}
	addSecretFile(cmd)
	f := cmd.Flags()
	f.String("to", defaultTarget, "where to post")
	f.String("host", "", "the Host to ask for, and the name for TLS, instead of that of --to")
	f.StringArray("header", nil, "a header to add, as name: value (repeatable)")
	f.String("cacert", "", "trust the certificates in this PEM file, for example Caddy's local root.crt, and no others")
	f.Bool("insecure", false, "trust any certificate")
	f.Bool("direct", false, "the URL is an app's own: do not ask for inboxgate's X-Inbox-Result")
	f.Int("count", 1, "how many events, of each type with \"all\"")
	f.Bool("duplicate", false, "post each event twice, with the same bytes")
	f.Bool("bad-signature", false, "sign with a wrong secret; 401 is then the right answer")
	f.StringArray("override", nil, "set a value by its path, for example data.to=+15557654321; text that is JSON is taken as such (repeatable)")
	f.String("raw", "", "post this file's bytes instead of a made event (\"-\" is stdin)")
	f.Float64("rate", 0, "events per second (default: each as soon as the last is answered)")
	f.Duration("timeout", defaultPostTimeout, "how long to wait for an answer")
	f.Bool("force", false, "take a type that the platform does not document")
	addFormat(cmd)
	return cmd
}

func completeTypes(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return append(event.Types(), allTypes), cobra.ShellCompDirectiveNoFileComp
}

// triggerOptions are what the user asked for, checked.
type triggerOptions struct {
	to           string     // the URL
	types        []string   // of the events, nil for raw
	raw          []byte     // a body to post instead of events
	overrides    []override // of each event
	count        int        // how often, at least 1
	duplicate    bool       // post each twice
	badSignature bool       // sign with another secret
	direct       bool       // no inboxgate stands before the receiver
	way          way
	pause        time.Duration // from one event to the next, 0 for none
	timeout      time.Duration // of each post
	json         bool
	secret       []byte
	secretFrom   string // where secret was read, for messages
}

func runTrigger(cmd *cobra.Command, args []string) error {
	o, err := triggerFlags(cmd, args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := newPoster(o.to, o.timeout, o.way)
	defer p.close()
	t := trigger{triggerOptions: o, sender: p, out: newTriggerOutput(cmd.OutOrStdout(), o.json)}
	if err := t.run(ctx); err != nil {
		return err
	}
	return t.verdict(ctx)
}

// triggerFlags reads and checks what the user asked for.
func triggerFlags(cmd *cobra.Command, args []string) (triggerOptions, error) {
	f := cmd.Flags()
	var o triggerOptions
	// The flags exist and have these types, so reading them cannot fail.
	o.to, _ = f.GetString("to")
	o.count, _ = f.GetInt("count")
	o.duplicate, _ = f.GetBool("duplicate")
	o.badSignature, _ = f.GetBool("bad-signature")
	o.direct, _ = f.GetBool("direct")
	o.timeout, _ = f.GetDuration("timeout")
	rate, _ := f.GetFloat64("rate")
	switch {
	case o.count < 1:
		return o, usage("--count must be at least 1")
	case o.timeout <= 0:
		return o, usage("--timeout must be above zero, for example 10s")
	case f.Changed("rate") && (!(rate > 0) || rate > 1e6):
		return o, usage("--rate must be above 0 and at most 1000000 events per second")
	}
	var err error
	if o.json, err = formatOf(cmd); err != nil {
		return o, err
	}
	if rate > 0 {
		o.pause = time.Duration(float64(time.Second) / rate)
	}
	if err := checkTarget(o.to); err != nil {
		return o, err
	}
	if o.way, err = wayFlags(cmd); err != nil {
		return o, err
	}
	if err := o.content(cmd, args); err != nil {
		return o, err
	}
	secrets, err := commandSecrets(cmd)
	if err != nil {
		return o, err
	}
	o.secret, o.secretFrom = []byte(secrets[0]), secretOrigin(cmd)
	return o, nil
}

// content reads what is to be sent.
func (o *triggerOptions) content(cmd *cobra.Command, args []string) error {
	f := cmd.Flags()
	raw, _ := f.GetString("raw")
	texts, _ := f.GetStringArray("override")
	force, _ := f.GetBool("force")
	if f.Changed("raw") {
		switch {
		case len(args) > 0:
			return Usagef("both --raw and the type %s: leave one of them out", args[0])
		case len(texts) > 0:
			return usage("--raw posts the file as it is: leave --override out")
		}
		var err error
		o.raw, err = readBody(cmd, []string{raw})
		return err
	}
	if len(args) == 0 {
		return Usagef("no event type: give one of %s, or %s", strings.Join(event.Types(), ", "), allTypes)
	}
	for _, text := range texts {
		ov, err := parseOverride(text)
		if err != nil {
			return err
		}
		o.overrides = append(o.overrides, ov)
	}
	if args[0] == allTypes {
		o.types = event.Types()
		return nil
	}
	o.types = args
	if force || slices.Contains(event.Types(), args[0]) {
		return nil
	}
	if near := nearest.Word(args[0], append(event.Types(), allTypes)); near != "" {
		return Usagef("unknown event type %q; did you mean %q? (--force sends it all the same)", args[0], near)
	}
	return Usagef("unknown event type %q; the platform has %s (--force sends it all the same)", args[0], strings.Join(event.Types(), ", "))
}

// expected returns the status of a right answer.
func (o *triggerOptions) expected() int {
	if o.badSignature {
		return http.StatusUnauthorized
	}
	return http.StatusOK
}
