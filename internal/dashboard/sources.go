package dashboard

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/page"
)

// refused is how many requests were refused for one reason in the last hour.
type refused struct {
	Reason string
	N      int64
}

// refusedIn returns why requests were refused, over all sources.
func refusedIn(s control.Status) []refused {
	sum := map[string]int64{}
	for _, source := range s.Sources {
		for reason, n := range source.Refused {
			sum[reason] += n
		}
	}
	return refusedBy(sum)
}

func refusedBy(sum map[string]int64) (all []refused) {
	for reason, n := range sum {
		if n > 0 {
			all = append(all, refused{strings.ReplaceAll(reason, "_", " "), n})
		}
	}
	slices.SortFunc(all, func(a, b refused) int {
		if a.N != b.N {
			return int(b.N - a.N)
		}
		return strings.Compare(a.Reason, b.Reason)
	})
	return all
}

// unusedFor is how long a secret must not have been used to be told as one that can go.
const unusedFor = 24 * time.Hour

// unusedIn returns the secrets that sign nothing any more, of sources that have another
// which does.
func unusedIn(s control.Status, now time.Time) (all []control.Secret) {
	if now.Sub(s.Started) < unusedFor {
		return nil
	}
	used := map[string]bool{}
	for _, one := range s.Secrets {
		used[one.Source] = used[one.Source] || now.Sub(one.Used) < unusedFor
	}
	for _, one := range s.Secrets {
		if used[one.Source] && now.Sub(one.Used) >= unusedFor {
			all = append(all, one)
		}
	}
	return all
}

// sourceRow is one source.
type sourceRow struct {
	control.SourceStatus
	Why     []refused
	Secrets []control.Secret
	Plot    page.Plot
	P99     float64 // of the last five minutes in milliseconds, negative for none
}

// sourcesView is the sources and their secrets.
type sourcesView struct {
	frame
	Rows   []sourceRow
	More   int
	Unused []control.Secret
	// Since is when the counting began.
	Since time.Time
}

// sources shows the sources and their secrets, by fingerprint.
func (d *Dashboard) sources(c *call) error {
	s, err := d.status.get(c.r.Context())
	if err != nil {
		return err
	}
	m, err := d.minutes.get(c.r.Context())
	if err != nil && statusOf(err) != http.StatusNotFound {
		return err
	}
	v := sourcesView{Unused: unusedIn(s, c.now), Since: m.Began}
	list, more := cut(s.Sources)
	v.More = more
	for i, one := range list {
		row := sourceRow{SourceStatus: one, Why: refusedBy(one.Refused), P99: -1}
		for _, secret := range s.Secrets {
			if secret.Source == one.Source {
				row.Secrets = append(row.Secrets, secret)
			}
		}
		for _, of := range m.Sources {
			if of.Source == one.Source {
				row.P99 = worst(of.P99, 5)
				row.Plot = page.Plot{
					ID: "source-" + page.Count(i), Title: "Requests a minute of " + one.Source, Times: m.Minutes,
					Series: []page.Series{{Name: "accepted", Values: floats(of.Accepted)}, {Name: "refused", Values: floats(of.Refused)}},
				}
			}
		}
		v.Rows = append(v.Rows, row)
	}
	v.frame = c.frame("Sources and secrets", "/sources")
	v.Every = 5
	return c.show("sources", http.StatusOK, v)
}
