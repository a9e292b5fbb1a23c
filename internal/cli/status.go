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
Tells whether events are taken, when the last one came, how each route is, why
deliveries died, what is in quarantine, and how full the store is. It ends with
1 where new events are not taken.
` + t.aboutControl(),
		Example: `  ` + t.Program + ` status
  ` + t.Program + ` status --format json`,
		Args: NoArgs,
		RunE: t.operated(func(ctx context.Context, o *operator, _ []string) error {
			s, err := o.client.Status(ctx)
			if err != nil {
				return err
			}
			if o.json != nil {
				err = o.encode(s)
			} else {
				err = o.screen(s, time.Now())
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
func (o *operator) screen(s control.Status, now time.Time) error {
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
	for _, r := range s.Routes {
		text, why := routeText(r, now)
		line("route", "%s", text)
		if why != "" {
			line("", "  %s", why)
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
	valid := 0
	for _, secret := range s.Secrets {
		if secret.Valid {
			valid++
		}
	}
	line("secrets", "%d valid of %d", valid, len(s.Secrets))
	if n := s.LastWarning; n != nil {
		line("warning", "%s: %s", ago(n.At, now), n.Text)
	}
	return o.say("%s", strings.TrimSuffix(b.String(), "\n"))
}

// routeText returns how a route does, and why it is held if it is.
func routeText(r control.Route, now time.Time) (text, why string) {
	state := r.State
	if r.Hold != nil && r.State != control.RouteParked {
		state += " for " + age(now.Sub(r.Hold.Since))
		why = r.Hold.Reason
	}
	oldest := ""
	if !r.Oldest.IsZero() {
		oldest = " (oldest " + age(now.Sub(r.Oldest)) + ")"
	}
	return fmt.Sprintf("%s/%s %s waiting%s, %s running, %s dead, %s", r.Source, r.Route, humanize.Comma(r.Waiting), oldest, humanize.Comma(r.Running), humanize.Comma(r.Dead), state), why
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
