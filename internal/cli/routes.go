package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/nearest"
)

func (t *tree) routesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "routes <command>",
		Short: "Tells how each route is, holds, resumes and retries it",
		Long: `
A route is ready, slowed because its app asked for a slower pace (429), held
because its upstream cannot be reached, held by hand, or parked where it has
deliveries and is not configured any more. What waits on a route that is held
goes on from its oldest event once the route resumes.
` + t.aboutControl(),
		Example: `  ` + t.Program + ` routes list
  ` + t.Program + ` routes hold default --reason "app is being upgraded"
  ` + t.Program + ` routes resume default
  ` + t.Program + ` routes retry default`,
	}
	list := &cobra.Command{
		Use:     "list",
		Short:   "Lists the routes with what waits, runs and is dead",
		Example: `  ` + t.Program + ` routes list --format json`,
		Args:    NoArgs,
		RunE: t.operated(func(ctx context.Context, o *operator, _ []string) error {
			routes, err := o.client.Routes(ctx)
			if err != nil {
				return err
			}
			return o.routes(routes, time.Now())
		}),
	}
	hold := t.setRoute("hold", "Holds a route: events are taken and wait, until it is resumed by hand")
	hold.Flags().String("reason", "", "why, for those who look later; without it, a route that is held by hand keeps its reason")
	retry := t.setRoute(retryRoute, "Attempts now what waits for a route, whatever its schedule says")
	retry.Long = `
Attempts every delivery that waits for a route once, oldest first, without waiting
for its next time on the schedule. It is for an app that has been repaired: each
attempt counts as one of the schedule's. A route that is held needs no retry:
all that waits is attempted when it resumes. Where inboxgate ends or reloads
meanwhile, the rest keeps its schedule.
` + t.aboutControl()
	cmd.AddCommand(list, hold, t.setRoute("resume", "Resumes a route, whoever or whatever held it"), retry)
	addControl(cmd)
	return cmd
}

// retryRoute is the command that attempts what waits.
const retryRoute = "retry"

// setRoute returns the command that holds, resumes or retries a route; what is the
// API's word for it.
func (t *tree) setRoute(what, short string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     what + " <route>",
		Short:   short,
		Example: `  ` + t.Program + ` routes ` + what + ` default`,
		Args:    oneRef("the name of one route"),
		RunE: t.operated(func(ctx context.Context, o *operator, args []string) error {
			r, err := o.findRoute(ctx, args[0])
			if err != nil {
				return err
			}
			if what == retryRoute {
				return o.retryRoute(ctx, r)
			}
			reason, _ := o.cmd.Flags().GetString("reason")
			if err := o.client.SetRoute(ctx, r.Source, r.Route, what, reason); err != nil {
				return err
			}
			if o.json != nil {
				return o.encode(control.Changed{Changed: 1})
			}
			if what == "hold" {
				return o.say("Route %s of %s is held. %q ends that.", term.Cell(r.Route), term.Cell(r.Source), o.program+" routes resume "+term.ShellWord(r.Route))
			}
			return o.say("Route %s of %s is resumed.", term.Cell(r.Route), term.Cell(r.Source))
		}),
	}
	cmd.Flags().String("source", "", "the route's source, where several have one of that name")
	_ = cmd.RegisterFlagCompletionFunc("source", t.completeRoutes(true))
	complete := t.completeRoutes(false)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, word)
	}
	return cmd
}

// retryRoute attempts what waits for a route, and says how many deliveries that is.
func (o *operator) retryRoute(ctx context.Context, r control.Route) error {
	n, err := o.client.RetryRoute(ctx, r.Source, r.Route)
	if err != nil || o.json != nil {
		if err == nil {
			err = o.encode(n)
		}
		return err
	}
	if n.Changed == 0 {
		return o.say("Nothing waits for route %s of %s.", term.Cell(r.Route), term.Cell(r.Source))
	}
	return o.say("Route %s of %s: %s attempted now.", term.Cell(r.Route), term.Cell(r.Source), count(int64(n.Changed), "delivery is", "deliveries are"))
}

// findRoute returns the route of a name, and of the source of --source if several have
// one.
func (o *operator) findRoute(ctx context.Context, name string) (found control.Route, err error) {
	source, err := wordOf(o.cmd, "source")
	if err != nil {
		return found, err
	}
	routes, err := o.client.Routes(ctx)
	if err != nil {
		return found, err
	}
	var names, sources []string
	for _, r := range routes {
		names = append(names, r.Route)
		if r.Route == name && (source == "" || source == r.Source) {
			found = r
			sources = append(sources, r.Source)
		}
	}
	switch {
	case len(sources) == 1:
		return found, nil
	case len(sources) > 1:
		return found, Usagef("several sources have a route %q: say --source %s", name, strings.Join(sources, " or --source "))
	}
	if near := nearest.Word(name, names); near != "" && near != name {
		return found, fmt.Errorf("there is no route %q; did you mean %q?", name, near)
	}
	return found, fmt.Errorf("there is no route %q; %q shows them", name, o.program+" routes list")
}

// routes prints the routes.
func (o *operator) routes(routes []control.Route, now time.Time) error {
	if o.json != nil {
		return encodeAll(o.printer, routes)
	}
	if len(routes) == 0 {
		return o.say("There are none.")
	}
	columns := []term.Column{
		plain("SOURCE"), plain("ROUTE"), whole("WAITING"), whole("RUNNING"), whole("DEAD"), given("OLDEST", timesGive), plain("STATE"),
	}
	return o.rows(columns, func(row func(...any)) {
		for _, r := range routes {
			oldest := "-"
			if !r.Oldest.IsZero() {
				oldest = strings.TrimSpace(humanize.RelTime(r.Oldest, now, "ago", "ahead"))
			}
			row(r.Source, r.Route, r.Waiting, r.Running, r.Dead, oldest, term.Painted(o.routeState(r, now)))
		}
	})
}

// routeState returns the state of a route with its reason.
func (o *operator) routeState(r control.Route, now time.Time) string {
	h := r.Hold
	if r.State == control.RouteParked {
		return o.paint.Bad(r.State) + ": not in the configuration any more"
	}
	if h == nil {
		if r.State == control.RouteReady {
			return o.paint.Good(r.State) + paceText(r.Pace, now)
		}
		return o.paint.Bad(r.State) + paceText(r.Pace, now)
	}
	text := fmt.Sprintf("%s since %s: %s", o.paint.Bad(r.State), o.when(h.Since), term.Cell(h.Reason))
	if r.State == control.RouteHeld && !h.NextProbe.IsZero() {
		text += fmt.Sprintf(" (%s failed, next %s)", count(int64(h.Probes), "probe", "probes"), o.when(h.NextProbe))
	}
	return text
}

// paceText returns what follows the state of a route that does not go as fast as it
// can.
func paceText(p *control.Pace, now time.Time) (text string) {
	if p == nil {
		return ""
	}
	if p.Limit > 0 {
		text = fmt.Sprintf(": %s, %s/s", term.Cell(p.Reason), humanize.FtoaWithDigits(p.Limit, 1))
		if in := p.Next.Sub(now); in >= 100*time.Millisecond {
			text += fmt.Sprintf(", next try in %s s", humanize.FtoaWithDigits(in.Seconds(), 1))
		}
	}
	if p.Rate > 0 {
		text += fmt.Sprintf(", rate %s/s", humanize.Ftoa(p.Rate))
	}
	return text
}

// completeRoutes has a shell complete the names of routes, or of sources, that the
// running instance has.
func (t *tree) completeRoutes(sources bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) (names []string, _ cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		o, err := t.newOperator(cmd)
		if err != nil {
			return nil, none
		}
		parent := cmd.Context()
		if parent == nil {
			parent = context.Background()
		}
		ctx, cancel := context.WithTimeout(parent, 2*time.Second)
		defer cancel()
		routes, err := o.client.Routes(ctx)
		if err != nil {
			return nil, none
		}
		for _, r := range routes {
			name := r.Route
			if sources {
				name = r.Source
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return names, none
	}
}
