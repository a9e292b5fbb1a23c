package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
)

// tail shows the newest events, and then each that comes.
func tail(ctx context.Context, o *operator, _ []string) error {
	f, err := readFilter(o.cmd)
	if err != nil {
		return err
	}
	every, _ := o.cmd.Flags().GetDuration("every")
	if every <= 0 {
		return usage("--every must be above zero, for example 1s")
	}
	t := &follower{operator: o, list: control.List{Filter: f, Reveal: revealed(o.cmd), Settled: true}}
	return t.follow(ctx, every)
}

// follower shows events in the order in which they came.
type follower struct {
	*operator
	list  control.List // which events are shown
	begun bool         // the events from before the command are shown
	seen  int64        // the number up to which all are shown
	lost  bool         // inboxgate did not answer last time
}

// pollTimeout bounds one poll: a connection to a machine that has gone may stay
// silent for ever.
const pollTimeout = 30 * time.Second

// newest returns the highest number in the log, 0 where there is none.
func (t *follower) newest(ctx context.Context) (int64, error) {
	p, err := t.client.Events(ctx, control.List{Limit: 1, Settled: true})
	if err != nil || len(p.Events) == 0 {
		return 0, err
	}
	return p.Events[0].Number, nil
}

// follow polls until ctx ends. Events count as seen only when the whole answer of a
// poll has come, so that an answer which breaks off loses and repeats none.
func (t *follower) follow(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		page, top, err := t.poll(ctx)
		var refused *control.Error
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError:
			return err
		case err != nil && !t.lost:
			fmt.Fprintf(t.cmd.ErrOrStderr(), "%s; waiting for it\n", t.finder.unreachable(err))
		case err == nil && t.lost:
			fmt.Fprintln(t.cmd.ErrOrStderr(), "inboxgate answers again")
		}
		if t.lost = err != nil; !t.lost {
			t.seen, t.begun = top, true
			if err := t.print(page); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// poll returns what is to be shown next, newest first, and up to which number that
// is all.
func (t *follower) poll(ctx context.Context) (page []control.Event, top int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	if t.begun {
		return t.since(ctx, t.seen)
	}
	if top, err = t.newest(ctx); err != nil {
		return nil, 0, err
	}
	if n := limitOf(t.cmd); n > 0 {
		_, err = t.eachPage(ctx, t.list, n, func(p []control.Event) error { page = append(page, p...); return nil })
		if len(page) > 0 {
			top = max(top, page[0].Number)
		}
	}
	return page, top, err
}

// since returns what came after the number seen, newest first. It asks for the newest
// number before it reads, so that what comes meanwhile is found by the next poll.
func (t *follower) since(ctx context.Context, seen int64) (page []control.Event, top int64, err error) {
	if top, err = t.newest(ctx); err != nil || top <= seen {
		return nil, max(top, seen), err
	}
	l := t.list
	for {
		p, err := t.client.Events(ctx, l)
		if err != nil {
			return nil, seen, err
		}
		for _, e := range p.Events {
			if e.Number > seen {
				page = append(page, e)
				top = max(top, e.Number)
			}
		}
		if l.Cursor = p.Next; l.Cursor <= seen+1 {
			return page, top, nil
		}
	}
}

// print writes events, which come newest first, oldest first. They are no table: the
// width of its columns would change with each event.
func (t *follower) print(page []control.Event) error {
	for _, e := range slices.Backward(page) {
		if t.json != nil {
			if err := t.encode(e); err != nil {
				return err
			}
			continue
		}
		if err := t.line(e); err != nil {
			return err
		}
	}
	return nil
}

// line writes an event. On a terminal a head stands above the first one, and again
// above the first of another source, from which on the lines name it.
func (t *follower) line(e control.Event) error {
	mixed := t.mixes([]control.Event{e})
	if !t.onTerminal() {
		source := ""
		if mixed {
			source = fmt.Sprintf("%-10s  ", term.Cell(e.Source))
		}
		return t.say("%s  %d  %s%-24s  %-17s  %s", instant(e.Received), e.Number, source, term.Cell(e.ID), term.Cell(e.Type), t.deliveries(e))
	}
	columns := []term.Column{timed("RECEIVED"), given("NUMBER", numberGives), whole("ID"), typesColumn(), plain("DELIVERIES")}
	columns[0].Pad, columns[1].Pad, columns[2].Pad, columns[3].Pad = []int{19, 8}, []int{8}, []int{24}, []int{17, 11}
	at := t.whenForms(e.Received)
	// There is no age: the line stays while time goes on.
	cells := []any{at[min(1, len(at)-1):], e.Number, e.ID, typeForms(e.Type), term.Painted(t.deliveries(e))}
	if mixed {
		source := plain("SOURCE")
		source.Pad = []int{10}
		columns = slices.Insert(columns, 2, source)
		cells = slices.Insert(cells, 2, any(e.Source))
	}
	return t.page(columns, func(row func(...any)) { row(cells...) })
}

// exported is an event in an export, which has one on each line.
type exported struct {
	control.Event
	// Raw is the body as it came, in base64.
	Raw []byte `json:"raw,omitempty"`
}

// export writes whole events. It passes over those that retention removes meanwhile.
func export(ctx context.Context, o *operator, _ []string) error {
	f, err := readFilter(o.cmd)
	if err != nil {
		return err
	}
	lines := newPrinter(o.cmd.OutOrStdout(), true, o.program)
	line := term.NewProgress(o.cmd.ErrOrStderr())
	defer line.End()
	done := int64(0)
	_, err = o.eachPage(ctx, control.List{Filter: f}, limitOf(o.cmd), func(page []control.Event) error {
		for _, e := range page {
			one, err := o.whole(ctx, e.Number)
			var refused *control.Error
			if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
				continue
			}
			if err != nil {
				return err
			}
			if err := lines.encode(one); err != nil {
				return err
			}
			done++
			line.Show("%s events", humanize.Comma(done))
		}
		return nil
	})
	return err
}

// whole reads one event, and its body as it came if phone numbers are not masked.
func (o *operator) whole(ctx context.Context, number int64) (one exported, err error) {
	ref := control.ByNumber(number)
	reveal := revealed(o.cmd)
	if one.Event, err = o.client.Event(ctx, ref, reveal); err == nil && reveal {
		one.Raw, err = o.client.Raw(ctx, ref)
	}
	return one, err
}
