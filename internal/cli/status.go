package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
)

func (t *tree) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tells on one screen how a running inboxgate is",
		Long: `
Tells whether events are taken, when the last one came and what was refused in the
last hour, how each route is and where it leads, why deliveries died, what is in
quarantine, and how full the store is. JSON has each of the last 60 minutes as well.
It ends with 1 where new events are not taken.
` + t.aboutControl(),
		Example: `  ` + t.Program + ` status
  ` + t.Program + ` status --format json`,
		Args: NoArgs,
		RunE: t.operated(func(ctx context.Context, o *operator, _ []string) error {
			s, err := o.client.Status(ctx)
			if err != nil {
				return err
			}
			lately, err := o.lately(ctx)
			if err != nil {
				return err
			}
			if o.json != nil {
				err = o.encode(struct {
					control.Status
					Minutes *control.Minutes `json:"minutes,omitempty"`
				}{s, lately})
			} else {
				err = o.screen(s, lately, time.Now())
			}
			if err == nil && !s.Takes {
				return reported(o.cmd)
			}
			return err
		}),
	}
	cmd.Flags().String("admin", "", "where inboxgate's API is: host:port, a URL or unix//path (default: as told above)")
	addFormat(cmd)
	return cmd
}

// screen prints a status, each line cut to the width of a terminal. Elsewhere all is
// whole.
func (o *operator) screen(s control.Status, lately *control.Minutes, now time.Time) error {
	takes := o.paint.Good("takes events")
	if !s.Takes {
		takes = o.paint.Bad("takes no events") + ": " + term.Cell(s.Why)
	}
	width := term.Screen(o.w)
	var b strings.Builder
	painted := func(name, text string) {
		if width > 0 {
			text = term.Cut(text, max(width, 32)-12)
		}
		fmt.Fprintf(&b, "%-11s %s\n", name, text)
	}
	line := func(name, format string, args ...any) { painted(name, term.Cell(fmt.Sprintf(format, args...))) }
	painted("state", takes)
	if !s.Started.IsZero() {
		since := instant(s.Started)
		if o.onTerminal() {
			since = s.Started.Local().Format(time.DateTime)
		}
		line("running", "%s, since %s", age(now.Sub(s.Started)), since)
		line("version", "%s", orDash(s.Version))
	}
	event := "none in the log"
	if !s.LastEvent.IsZero() {
		event = fmt.Sprintf("%s, %s", ago(s.LastEvent, now), s.LastType)
	}
	line("events", "%s accepted in the last minute; the last one: %s", humanize.Comma(s.Accepted), event)
	for _, source := range s.Sources {
		line("source", "%s", sourceText(source, now))
	}
	for _, r := range s.Routes {
		text, more := routeText(r, lately, now)
		line("route", "%s", text)
		for _, text := range more {
			line("", "  %s", text)
		}
	}
	for _, g := range s.Dead.Groups {
		line("dead", "%s on %s: %s", humanize.Comma(g.Count), g.Route, failure(g.Status, g.Error, g.Reason))
	}
	if s.Dead.Partial {
		line("", "and older ones: %q counts all", o.program+" dead list --group")
	}
	line("quarantine", "%s, %s", count(s.Store.Quarantined, "entry", "entries"), humanize.IBytes(uint64(s.Store.Odd)))
	used := fmt.Sprintf("%s of %s used", humanize.IBytes(uint64(max(s.Store.Used, 0))), humanize.IBytes(uint64(s.Max)))
	if d := s.Store.Database; d != nil {
		line("store", "%s; %s in %s, durability %s", used, count(livingMembers(s.Store), "member lives", "members live"), d.Address, d.Durability)
	} else {
		line("store", "%s; disk: %s free, %s needed", used, humanize.IBytes(s.Store.Free), humanize.IBytes(s.Store.Floor))
	}
	line("secrets", "%s", secretsText(s.Secrets, now))
	if n := s.LastWarning; n != nil {
		line("warning", "%s: %s", ago(n.At, now), n.Text)
	}
	return o.say("%s", strings.TrimSuffix(b.String(), "\n"))
}

// failure returns in words how the last attempt of a dead letter ended.
func failure(status int, text, reason string) string {
	switch {
	case text != "":
	case status != 0:
		text = fmt.Sprint("status ", status)
	default:
		text = "no attempt"
	}
	if reason != "" {
		text += " (" + reason + ")"
	}
	return text
}

// ago returns how long before now t was.
func ago(t, now time.Time) string { return age(now.Sub(t)) + " ago" }

// age returns a duration in its largest units.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}
