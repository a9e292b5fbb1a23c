package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/control"
)

func (t *tree) eventsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events <command>",
		Short: "Finds, shows, follows, replays and exports events",
		Long: `
Looks into the log of events: which came, what became of them on each route,
and every attempt. Phone numbers are masked unless you say --reveal.

While inboxgate is down, --store reads its data directory, or a copy of it, and
writes nothing: list, show, raw and export have it. An inboxgate that is started
meanwhile waits some seconds for the command to end, and then gives up.
` + t.aboutControl(),
		Example: `  ` + t.Program + ` events list --state dead --since 2h
  ` + t.Program + ` events list --message-id msg_1234567890
  ` + t.Program + ` events show evt_1234567890
  ` + t.Program + ` events replay --route default --since 2026-03-01 --dry-run`,
	}
	cmd.AddCommand(t.eventsList(), t.showCommand(false), t.rawCommand(false), t.eventsTail(), t.eventsReplay(), t.eventsExport())
	addControl(cmd)
	return cmd
}

func (t *tree) eventsList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list [--type <type>] [--state <state>] [--since <time>] …",
		Short:   "Lists events, newest first",
		Example: `  ` + t.Program + ` events list --type message.failed --since 1d --format json`,
		Args:    NoArgs,
		RunE: t.operated(func(ctx context.Context, o *operator, _ []string) error {
			return o.list(ctx, control.List{}, (*operator).events)
		}),
	}
	t.addFilter(cmd, control.OfEvents)
	addLimit(cmd, 50, "how many at most; 0 for all")
	addReveal(cmd)
	addStore(cmd)
	return cmd
}

// showCommand returns the command that shows one event, or one entry of quarantine.
func (t *tree) showCommand(quarantine bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show <id>",
		Short:   "Shows one event with its body, headers, deliveries and every attempt",
		Example: `  ` + t.Program + ` events show evt_1234567890 --reveal`,
		Args:    oneRef("the id or the number of one event"),
	}
	if quarantine {
		cmd.Use, cmd.Short = "show <number>", "Shows one entry with its body and headers"
		cmd.Example, cmd.Args = `  `+t.Program+` quarantine show 12`, oneRef("the number of one entry")
	}
	cmd.RunE = t.operated(func(ctx context.Context, o *operator, args []string) error {
		source, err := wordOf(o.cmd, "source")
		if err != nil {
			return err
		}
		ref := control.Ref{Ref: args[0], Source: source, Quarantine: quarantine}
		e, err := o.client.Event(ctx, ref, revealed(o.cmd))
		if err != nil {
			return o.pointOn(ctx, ref, err)
		}
		return o.event(e)
	})
	addReveal(cmd)
	t.addSource(cmd, quarantine)
	addStore(cmd)
	return cmd
}

// addSource adds the flag for events whose id two sources have; entries have numbers.
func (t *tree) addSource(cmd *cobra.Command, quarantine bool) {
	if !quarantine {
		t.addOnly(cmd, "source")
	}
}

// rawCommand returns the command that writes one body. Nothing in it is masked: the
// bytes would not be those that were signed.
func (t *tree) rawCommand(quarantine bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "raw <id>",
		Short:   "Writes the body of one event as it came, phone numbers and all",
		Example: `  ` + t.Program + ` events raw evt_1234567890 >body.json`,
		Args:    oneRef("the id or the number of one event"),
	}
	if quarantine {
		cmd.Use, cmd.Short = "raw <number>", "Writes the body of one entry as it came, phone numbers and all"
		cmd.Example, cmd.Args = `  `+t.Program+` quarantine raw 12 >body`, oneRef("the number of one entry")
	}
	cmd.RunE = t.operated(func(ctx context.Context, o *operator, args []string) error {
		source, err := wordOf(o.cmd, "source")
		if err != nil {
			return err
		}
		ref := control.Ref{Ref: args[0], Source: source, Quarantine: quarantine}
		body, err := o.client.Raw(ctx, ref)
		if err != nil {
			return o.pointOn(ctx, ref, err)
		}
		return o.raw(body)
	})
	t.addSource(cmd, quarantine)
	addStore(cmd)
	return cmd
}

func (t *tree) eventsTail() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tail [--type <type>] [--route <route>] …",
		Short: "Shows the newest events and then each that comes, until Ctrl-C",
		Long: `
Shows the newest events, oldest of them first, and then each that comes, as it
stands when it is seen. While inboxgate does not answer, as before it is started
or during an upgrade, it says so once and waits, and then goes on with the next
event: none is left out or shown twice. Ctrl-C ends it.`,
		Example: `  ` + t.Program + ` events tail --type message.failed`,
		Args:    NoArgs,
		RunE:    t.operated(tail),
	}
	// Only what an event is when it comes. What its deliveries become is not known then,
	// and an event that was passed over is not looked at again.
	t.addFilter(cmd, control.OfEvents, "state", "status", "error", "since", "until", "id")
	addLimit(cmd, 10, "how many that came before; 0 for none")
	addReveal(cmd)
	cmd.Flags().Duration("every", time.Second, "how often to look")
	return cmd
}

func (t *tree) eventsExport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export [--type <type>] [--since <time>] …",
		Short: "Writes whole events, a line of JSON each, newest first",
		Long: `
Writes whole events with bodies, headers, deliveries and attempts, a line of JSON
each, newest first. Phone numbers are masked; with --reveal they are not, and
each event has its body as it came, in base64, as "raw".`,
		Example: `  ` + t.Program + ` events export --since 7d --reveal >events.ndjson`,
		Args:    NoArgs,
		RunE:    t.operated(export),
	}
	t.addFilter(cmd, control.OfEvents)
	addLimit(cmd, 0, "how many at most; 0 for all")
	addReveal(cmd)
	addStore(cmd)
	return cmd
}

func (t *tree) eventsReplay() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay <id> [--route <route>] | replay --<filter> …",
		Short: "Sends events to your app again",
		Long: `
Sends one event again, or all that a filter chooses: each of their deliveries
that has ended waits again, with a fresh schedule, and carries X-Inbox-Replay.
Deliveries that have not ended are left alone; those of a route that is not
configured any more are passed over, and told.

With an id, --route sends to that route alone, if the event has a delivery for it. With a filter it chooses events
of that route, and sends them there alone. --to sends to a route that the events
were never meant for, for example one that is new.

A replay by filter keeps to --rate and holds back while live events wait. It
ends with this command; what was sent again by then stays so.`,
		Example: `  ` + t.Program + ` events replay evt_1234567890
  ` + t.Program + ` events replay --route default --since 2026-03-01 --until 2026-03-02 --dry-run
  ` + t.Program + ` events replay --type message.failed --to on-call --rate 20 --yes`,
		Args: cobra.MaximumNArgs(1),
		RunE: t.operated(replay),
	}
	t.addFilter(cmd, control.OfEvents)
	addBulk(cmd)
	cmd.Flags().Float64("rate", 0, "how many events a second, up to 10000 (default: 100)")
	cmd.Flags().String("to", "", "send to this route alone, also events that had none for it")
	_ = cmd.RegisterFlagCompletionFunc("to", t.completeRoutes(false))
	return cmd
}
