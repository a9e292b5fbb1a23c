package spool_test

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// What is fresh, by each of the clocks that may be wrong. Times are hours from
// the real now.
func TestFreshness(t *testing.T) {
	t.Parallel()
	const none, years = -1 << 30, 10 * 365 * 24
	real := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	at := func(hours int) time.Time {
		if hours == none {
			return time.Time{}
		}
		return real.Add(time.Duration(hours) * time.Hour)
	}
	in1970 := -int(real.Sub(time.Unix(0, 0)) / time.Hour)
	for name, c := range map[string]struct {
		machine, store int // what the clocks say
		newest         int
		forgotten      int
		created        int
		want           string
		cannotBeJudged bool
	}{
		"right, new source":           {0, 0, none, none, 0, "", false},
		"right, new source, old":      {0, 0, none, none, -25, spool.ReasonOld, false},
		"right, old":                  {0, 0, -1, none, -26, spool.ReasonOld, false},
		"right, late, never seen":     {0, 0, -100, none, -30, "", false},
		"right, ahead":                {0, 0, -1, none, 167, "", false},
		"right, too far ahead":        {0, 0, -1, none, 169, spool.ReasonFuture, false},
		"right, an ahead one came":    {0, 0, 160, none, -23, "", false},
		"right, forgotten":            {0, 0, -1, -24, -24, spool.ReasonBelow, false},
		"right, above forgotten":      {0, 0, -1, -24, -23, "", false},
		"3 d ahead":                   {72, 72, -1, none, 0, "", false},
		"10 y ahead":                  {years, years, -1, none, 0, "", false},
		"10 y ahead, forgotten":       {years, years, -1, -24, -30, spool.ReasonBelow, false},
		"10 y ahead, old":             {years, years, -1, none, -30, spool.ReasonOld, false},
		"was 3 d ahead":               {0, 72, -1, none, 0, "", false},
		"was 10 y ahead":              {0, years, -1, none, 0, "", false},
		"was 10 y ahead, new source":  {0, years, none, none, 0, "", false},
		"was 10 y ahead, old":         {0, years, none, none, -25, spool.ReasonOld, false},
		"1970":                        {in1970, -1, -1, none, 0, "", false},
		"1970, old":                   {in1970, -1, -1, none, -26, spool.ReasonOld, false},
		"1970, new source":            {in1970, -1, none, none, 0, "", false},
		"1970, new source, old":       {in1970, -1, none, none, -26, spool.ReasonOld, false},
		"1970, off for a month":       {in1970, -720, -720, none, 0, "", false},
		"months behind":               {-2000, -720, -720, none, 0, "", false},
		"1970, another source is on":  {in1970, -720, -720, none, 0, "", false},
		"1970, new store":             {in1970, in1970, none, none, 0, "", true},
		"1970, new store, no created": {in1970, in1970, none, none, none, "", false},
	} {
		f := spool.Freshness{
			Clock:  spool.Reading{Now: at(c.store), Machine: at(c.machine)},
			Window: 24 * time.Hour, Newest: at(c.newest), Forgotten: at(c.forgotten),
		}
		got, err := f.Stale(at(c.created))
		if got != c.want || (err != nil) != c.cannotBeJudged {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
}
