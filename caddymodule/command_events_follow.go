package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/inboxgate/inboxgate/internal/control"
)

// tail shows the newest events, and then those that come.
func tail(ctx context.Context, o *operator, _ []string) error {
	f, err := readFilter(o.cmd)
	if err != nil {
		return err
	}
	every, _ := o.cmd.Flags().GetDuration("every")
	if every <= 0 {
		return errors.New("--every must be above zero, for example 1s")
	}
	t := &follower{operator: o, list: control.List{Filter: f, Reveal: revealed(o.cmd)}}
	top, err := t.newest(ctx)
	if err != nil {
		return err
	}
	if n := limitOf(o.cmd); n > 0 {
		var page []control.Event
		if _, _, err := o.eachPage(ctx, t.list, n, func(p []control.Event) error { page = append(page, p...); return nil }); err != nil {
			return err
		}
		if len(page) > 0 {
			top = max(top, page[0].Number)
		}
		if err := t.print(page); err != nil {
			return err
		}
	}
	return t.follow(ctx, top, every)
}

// follower shows events in the order they came.
type follower struct {
	*operator
	list control.List
	lost bool // inboxgate did not answer last time
}

// newest is the highest number in the log, 0 where there is none.
func (t *follower) newest(ctx context.Context) (int64, error) {
	p, err := t.client.Events(ctx, control.List{Limit: 1})
	if err != nil || len(p.Events) == 0 {
		return 0, err
	}
	return p.Events[0].Number, nil
}

func (t *follower) follow(ctx context.Context, seen int64, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		page, top, err := t.since(ctx, seen)
		if ctx.Err() != nil {
			return nil
		}
		var refused *control.Error
		switch {
		case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError:
			return err
		case err != nil && !t.lost:
			fmt.Fprintf(t.cmd.ErrOrStderr(), "%s; still trying\n", err)
		}
		if t.lost = err != nil; t.lost {
			continue
		}
		seen = top
		if err := t.print(page); err != nil {
			return err
		}
	}
}

// since reads what came after the number seen, newest first. The newest number
// is asked for first, so that what comes meanwhile is met the next time.
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

// print takes events newest first. No table: its columns would change their
// width with each that comes.
func (t *follower) print(page []control.Event) error {
	for _, e := range slices.Backward(page) {
		if t.json != nil {
			if err := t.encode(e); err != nil {
				return err
			}
			continue
		}
		if err := t.say("%s  %d  %-24s  %-17s  %s", instant(e.Received), e.Number, cell(e.ID), cell(e.Type), t.deliveries(e)); err != nil {
			return err
		}
	}
	return nil
}

// exported is one line of an export.
type exported struct {
	control.Event
	// Raw is the body as it came, in base64.
	Raw []byte `json:"raw,omitempty"`
}

// export writes whole events. What leaves the log meanwhile by its age is left
// out.
func export(ctx context.Context, o *operator, _ []string) error {
	f, err := readFilter(o.cmd)
	if err != nil {
		return err
	}
	lines := newWebhooksOutput(o.cmd.OutOrStdout(), true)
	line := newProgress(o.cmd)
	defer line.end()
	done := int64(0)
	_, _, err = o.eachPage(ctx, control.List{Filter: f}, limitOf(o.cmd), func(page []control.Event) error {
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
			line.tell("%s events", humanize.Comma(done))
		}
		return nil
	})
	return err
}

func (o *operator) whole(ctx context.Context, number int64) (one exported, err error) {
	ref := control.Ref{Ref: strconv.FormatInt(number, 10)}
	reveal := revealed(o.cmd)
	if one.Event, err = o.client.Event(ctx, ref, reveal); err == nil && reveal {
		one.Raw, err = o.client.Raw(ctx, ref)
	}
	return one, err
}
