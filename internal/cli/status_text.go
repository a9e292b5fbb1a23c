package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/inboxgate/inboxgate/internal/control"
)

// lately returns what the process did in its last minutes, nil where it is of an older
// version, which does not know that.
func (o *operator) lately(ctx context.Context) (*control.Minutes, error) {
	m, err := o.client.Minutes(ctx)
	var no *control.Error
	if errors.As(err, &no) {
		return nil, nil // The rest is worth showing without.
	}
	return &m, err
}

// sourceText returns how a source is.
func sourceText(s control.SourceStatus, now time.Time) string {
	text := s.Source + ": no event yet"
	if !s.LastEvent.IsZero() {
		text = fmt.Sprintf("%s: last event %s", s.Source, ago(s.LastEvent, now))
	}
	text += fmt.Sprintf("; in the last hour %s accepted", humanize.Comma(s.Accepted))
	for _, c := range []struct {
		n    int64
		what string
	}{{s.Duplicates, "duplicate"}, {s.Quarantined, "quarantined"}} {
		if c.n > 0 {
			text += fmt.Sprintf(", %s %s", humanize.Comma(c.n), c.what)
		}
	}
	var refused []string
	for _, reason := range slices.Sorted(maps.Keys(s.Refused)) {
		refused = append(refused, fmt.Sprintf("%s %s", humanize.Comma(s.Refused[reason]), reason))
	}
	if len(refused) > 0 {
		text += "; refused: " + strings.Join(refused, ", ")
	}
	return text
}

// secretsText returns how many secrets are valid, and which of them may go: nothing was
// signed with those for a day, or since the start, while others of the source were used.
func secretsText(all []control.Secret, now time.Time) string {
	valid := 0
	used := map[string]time.Time{} // by source: when any secret was
	for _, s := range all {
		if s.Used.After(used[s.Source]) {
			used[s.Source] = s.Used
		}
	}
	text := ""
	for _, s := range all {
		if !s.Valid {
			continue
		}
		valid++
		switch {
		case used[s.Source].Sub(s.Used) < 24*time.Hour:
		case s.Used.IsZero():
			text += fmt.Sprintf("; %s of %s was not used since the start", s.Secret, s.Source)
		default:
			text += fmt.Sprintf("; %s of %s was not used for %s", s.Secret, s.Source, age(now.Sub(s.Used)))
		}
	}
	return fmt.Sprintf("%d valid of %d", valid, len(all)) + text
}

// routeText returns how a route does, and in further lines what keeps it from doing more.
func routeText(r control.Route, lately *control.Minutes, now time.Time) (text string, more []string) {
	state := r.State
	if r.Hold != nil && r.State != control.RouteParked {
		state += " for " + age(now.Sub(r.Hold.Since))
		more = append(more, holdText(*r.Hold, now))
	}
	if r.HeldHere != nil {
		more = append(more, "held here: "+holdText(*r.HeldHere, now))
	}
	state += paceText(r.Pace, now)
	if r.Failure != nil && r.Hold == nil && (r.Success == nil || r.Failure.At.After(r.Success.At)) {
		more = append(more, fmt.Sprintf("failed %s: %s", ago(r.Failure.At, now), failure(r.Failure.Status, r.Failure.Error, "")))
	}
	oldest := ""
	if !r.Oldest.IsZero() {
		oldest = " (oldest " + age(now.Sub(r.Oldest)) + ")"
	}
	text = fmt.Sprintf("%s/%s %s waiting%s, %s running, %s dead, %s", r.Source, r.Route, humanize.Comma(r.Waiting), oldest, humanize.Comma(r.Running), humanize.Comma(r.Dead), state)
	if n, ok := deliveredLately(r, lately); ok {
		text += fmt.Sprintf(", %s delivered in the last 5 minutes", humanize.Comma(n))
	}
	// A route has the name of its address unless it has one of its own.
	if len(r.Upstreams) > 0 && !slices.Equal(r.Upstreams, []string{r.Route}) {
		text += ", to " + strings.Join(r.Upstreams, ", ")
	}
	return text, more
}

// holdText returns why a route is held, and when it is tried next.
func holdText(h control.Hold, now time.Time) string {
	text := h.Reason
	if !h.NextProbe.IsZero() {
		text += fmt.Sprintf("; %s, next in %s", count(int64(h.Probes), "probe", "probes"), age(h.NextProbe.Sub(now)))
	}
	return text
}

// deliveredLately returns how many deliveries of a route ended well in the last minutes.
func deliveredLately(r control.Route, lately *control.Minutes) (int64, bool) {
	if lately == nil {
		return 0, false
	}
	for _, m := range lately.Routes {
		if m.Source == r.Source && m.Route == r.Route {
			n := control.Lately(m.Delivered, 5)
			return n, n > 0
		}
	}
	return 0, false
}
