package control

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Group is the dead letters of one route that ended alike.
type Group struct {
	Source string `json:"source"`
	Route  string `json:"route"`
	// Status and Error are of the last attempt, Reason says why there was no
	// other.
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Response is the start of what the app answered to the one that died last, with phone
	// numbers masked.
	Response string `json:"last_response,omitempty"`
	// Kind names the group in a Filter.
	Kind string `json:"kind"`
	// Count is how many dead letters there are, one an event.
	Count  int64     `json:"count"`
	Oldest time.Time `json:"oldest_died_at"`
	Newest time.Time `json:"newest_died_at"`
}

// Filter returns what chooses this group exactly, for lists and for bulk changes. To
// replay it alone, OnlyState must be set: other deliveries of its events would go too.
func (g Group) Filter() Filter {
	return Filter{Source: g.Source, Route: g.Route, State: spool.Dead.String(), Status: g.Status, Kind: g.Kind}
}

// ending is how a delivery has come to what it is: its last attempt, and why there was no
// other.
type ending struct {
	dead   bool
	route  string
	status int
	text   string
	reason string
}

// kind returns the name of what ended so.
func (e ending) kind() string {
	h := sha256.New()
	for _, part := range []string{e.route, strconv.Itoa(e.status), e.text, e.reason} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Groups are dead letters, the largest group first.
type Groups struct {
	Groups []Group `json:"groups"`
	Total  int64   `json:"total"`
	// Partial reports that there are older ones, which were not counted.
	Partial bool `json:"partial,omitempty"`
}

func (a *api) deadGroups(r *request) (any, error) {
	f, err := readFilter(r.URL.Query(), OfDead)
	if err != nil {
		return nil, err
	}
	if err := a.sane(f); err != nil {
		return nil, err
	}
	return a.group(r.Context(), f, 0)
}

// group returns the groups of the dead letters that a filter chooses, of at most so
// many events, 0 for any number, that can be read within groupsWithin.
func (a *api) group(ctx context.Context, f Filter, most int) (g Groups, err error) {
	q := f.queryOf(OfDead)
	counts, ends := map[Group]*Group{}, time.Now().Add(groupsWithin)
	for seen := 0; ; {
		page, err := a.Store.Records(ctx, q)
		if err != nil {
			return g, err
		}
		for _, rec := range page.Records {
			for _, d := range rec.Deliveries {
				if d.State == spool.Dead && (f.Route == "" || f.Route == d.Route) && f.lastWas(d) {
					g.add(counts, rec.Event.Source, d)
				}
			}
		}
		seen += len(page.Records)
		q.Cursor = page.Next
		if g.Partial = q.Cursor != 0; !g.Partial || most > 0 && seen >= most || time.Now().After(ends) {
			break
		}
	}
	g.Groups = []Group{}
	for _, one := range counts {
		g.Groups = append(g.Groups, *one)
	}
	slices.SortFunc(g.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), b.Newest.Compare(a.Newest), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Error, b.Error))
	})
	return g, nil
}

// add counts one dead letter in its group.
func (g *Groups) add(counts map[Group]*Group, source string, d spool.DeliveryRecord) {
	at := last(d)
	key := Group{Source: source, Kind: ending{true, d.Route, at.Status, at.Error, d.Reason}.kind()}
	one := counts[key]
	if one == nil {
		one = &Group{Source: source, Kind: key.Kind, Route: d.Route, Status: at.Status, Error: at.Error, Reason: d.Reason, Oldest: d.Ended, Newest: d.Ended}
		counts[key] = one
	}
	one.Count++
	g.Total++
	if d.Ended.Before(one.Oldest) {
		one.Oldest = d.Ended
	}
	if !d.Ended.Before(one.Newest) {
		one.Newest, one.Response = d.Ended, sample(at.Response)
	}
}

// sampled is how many bytes of an answer a group shows.
const sampled = 200

// sample returns the start of an app's answer.
func sample(response []byte) string {
	text := mask(response)
	return strings.ToValidUTF8(string(text[:min(len(text), sampled)]), "\ufffd")
}

// OddGroup is the entries of quarantine of one source that are there for one reason.
type OddGroup struct {
	Source string    `json:"source"`
	Reason string    `json:"reason"`
	Count  int64     `json:"count"`
	Oldest time.Time `json:"oldest_received_at"`
	Newest time.Time `json:"newest_received_at"`
}

// Filter returns what chooses this group, for lists and for bulk changes.
func (g OddGroup) Filter() Filter { return Filter{Source: g.Source, Reason: g.Reason} }

// OddGroups are entries of quarantine, the largest group first.
type OddGroups struct {
	Groups []OddGroup `json:"groups"`
	Total  int64      `json:"total"`
	// Partial reports that there are older ones, which were not counted.
	Partial bool `json:"partial,omitempty"`
}

// QuarantineGroups returns how many entries of quarantine are there for the same reason.
func (c *Client) QuarantineGroups(ctx context.Context, f Filter) (g OddGroups, err error) {
	err = c.call(ctx, http.MethodGet, Prefix+"quarantine/groups", f.values(), nil, &g)
	return g, err
}

// groupsWithin bounds the reading of dead letters or of quarantine for their groups.
const groupsWithin = 2 * time.Second

func (a *api) oddGroups(r *request) (any, error) {
	f, err := readFilter(r.URL.Query(), OfQuarantine)
	if err != nil {
		return nil, err
	}
	if err := a.sane(f); err != nil {
		return nil, err
	}
	type key struct{ source, reason string }
	out, at, ends := OddGroups{Groups: []OddGroup{}}, map[key]int{}, time.Now().Add(groupsWithin)
	for q := f.queryOf(OfQuarantine); ; {
		page, err := a.Store.Records(r.Context(), q)
		if err != nil {
			return nil, err
		}
		for _, rec := range page.Records {
			k, came := key{rec.Event.Source, rec.Reason}, rec.Event.Received
			i, ok := at[k]
			if !ok {
				i = len(out.Groups)
				at[k] = i
				out.Groups = append(out.Groups, OddGroup{Source: k.source, Reason: k.reason, Oldest: came, Newest: came})
			}
			g := &out.Groups[i]
			g.Count++
			out.Total++
			if came.Before(g.Oldest) {
				g.Oldest = came
			}
			if came.After(g.Newest) {
				g.Newest = came
			}
		}
		q.Cursor = page.Next
		if out.Partial = q.Cursor != 0; !out.Partial || time.Now().After(ends) {
			break
		}
	}
	slices.SortFunc(out.Groups, func(a, b OddGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), b.Newest.Compare(a.Newest), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Reason, b.Reason))
	})
	return out, nil
}
