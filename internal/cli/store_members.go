package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
)

func (t *tree) storeMembers() *cobra.Command {
	return &cobra.Command{
		Use:   "members",
		Short: "Lists the machines that share a store in a database",
		Long: `
Lists every inboxgate that has the store open, and those that have vanished lately:
when each was last heard of, which routes it serves, and which it holds because it
does not reach their upstreams. Any of them may be asked, with the same answer.
` + t.aboutControl(),
		Example: `  ` + t.Program + ` store members
  ` + t.Program + ` store members --format json`,
		Args: NoArgs,
		RunE: t.operated(func(ctx context.Context, o *operator, _ []string) error {
			s, err := o.client.Store(ctx)
			if err != nil {
				return err
			}
			return o.members(s, time.Now())
		}),
	}
}

// members prints which processes share a store.
func (o *operator) members(s control.Store, now time.Time) error {
	switch {
	case s.Members == nil && s.Unavailable != "":
		return fmt.Errorf("the members cannot be read: %s", term.Cell(s.Unavailable))
	case o.json != nil:
		return encodeAll(o.printer, s.Members)
	case s.Members == nil:
		return o.say("The store is in a data directory, which one inboxgate has. Stores in a database have members.")
	}
	columns := []term.Column{{Head: "NUMBER"}, {Head: "NAME"}, {Head: "VERSION"}, {Head: "SEEN"}, {Head: "SERVES"}, {Head: "HOLDS"}, {Head: "STATE"}}
	return o.rows(columns, func(row func(cells ...any)) {
		for _, m := range s.Members {
			state := o.paint.Good("lives")
			switch {
			case !m.Live:
				state = o.paint.Bad("gone")
			case m.Here:
				state += ", answers"
			}
			row(m.Number, m.Name, m.Version, ago(m.Seen, now), list(m.Serves), list(m.Holds), term.Painted(state))
		}
	})
}

// list returns names for one cell.
func list(names []string) string { return orDash(strings.Join(names, ", ")) }

// livingMembers counts the members that were heard of lately.
func livingMembers(s control.Store) (n int64) {
	for _, m := range s.Members {
		if m.Live {
			n++
		}
	}
	return n
}

// database adds how a database is to a list of properties.
func (o *operator) database(table *term.Table, s control.Store, size func(int64) string) {
	d := s.Database
	standbys := "no standby"
	if d.Synchronous || d.Standbys > 0 {
		standbys = count(int64(d.Standbys), "synchronous standby", "synchronous standbys")
	}
	if d.Blind {
		standbys = "an unknown number of standbys: GRANT pg_read_all_stats to the role"
	}
	snapshot := age(time.Duration(d.Snapshot * float64(time.Second)))
	fmt.Fprintf(table, "used\t%s\n", size(s.Used))
	fmt.Fprintf(table, "database\tPostgreSQL %s, %s\n", term.Cell(cmp.Or(d.Version, "of unknown version")), term.Cell(d.Address))
	fmt.Fprintf(table, "schema\t%d\n", d.Schema)
	fmt.Fprintf(table, "members\t%s, %q lists them\n", count(livingMembers(s), "lives", "live"), o.program+" store members")
	fmt.Fprintf(table, "durability\t%s, with %s\n", term.Cell(d.Durability), standbys)
	fmt.Fprintf(table, "connections\t%d of this process; %s made again, %s asked for\n", d.Connections,
		humanize.Comma(int64(d.Reconnects)), count(int64(d.Ambiguous), "commit", "commits"))
	if d.Blind {
		fmt.Fprintf(table, "snapshot\tunknown: GRANT pg_read_all_stats to the role\n")
		return
	}
	fmt.Fprintf(table, "snapshot\tthe oldest is %s old, and keeps about %s\n", snapshot, count(d.Dead, "dead row", "dead rows"))
}
