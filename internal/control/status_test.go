package control_test

import (
	"slices"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/minutes"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// The status has how each source, secret and route is, and what is configured of it.
func TestStatusHasSourcesSecretsAndRoutes(t *testing.T) {
	t.Parallel()
	hour := minutes.New("signature_missing", "timeout")
	used := time.Now().Add(-time.Hour).UTC().Round(time.Second)
	conf := control.RouteConfig{
		Upstreams: []string{"app:3000", "app:3001"}, Types: []string{"message.*"}, Schedule: []control.Seconds{30, 0.25}, Timeout: 10,
		MaxInFlight: 32, Rate: 50, Burst: 5, RateEach: true, Order: "message_id", If: `data.amount > 3`,
	}
	r := newRig(t, func(o *control.Options) {
		o.Minutes = hour
		o.Route = func(k spool.RouteKey) (c control.RouteConfig) {
			if k.Route == "app" {
				c = conf
			}
			return c
		}
		o.About = func() control.About {
			return control.About{
				Version: "v1", Full: 3600,
				Secrets: []control.Secret{{Source: "inbox", Secret: "a1f3", Valid: true, Used: used}, {Source: "inbox", Secret: "9c02"}},
				Sources: []control.SourceStatus{{Source: "inbox"}, {Source: "passing"}, {Source: "quiet"}},
			}
		}
	})
	r.accept(1, "message.read", "app", spool.Delivered)
	s, now := hour.Source("passing"), time.Now()
	s.Accepted(now, time.Millisecond)
	s.Duplicate(now, time.Millisecond)
	s.Quarantined(now, time.Millisecond)
	s.Refused("timeout")
	s.Refused("timeout")
	of := hour.Route("inbox", "app")
	of.Delivered(minutes.Outcome{At: now, Took: 41 * time.Millisecond, Status: 200})
	of.Failed(minutes.Outcome{At: now, Took: time.Second, Status: 500, Error: "status 500"})

	c := r.client()
	got, err := c.Status(t.Context())
	r.ok(err)
	if got.Full.Duration() != time.Hour || len(got.Sources) != 3 {
		t.Fatalf("%+v", got.About)
	}
	inbox, passing, quiet := got.Sources[0], got.Sources[1], got.Sources[2]
	if inbox.LastEvent.IsZero() || inbox.Accepted != 0 {
		t.Errorf("the log has an event of inbox: %+v", inbox)
	}
	if passing.LastEvent.IsZero() || passing.Accepted != 1 || passing.Duplicates != 1 || passing.Quarantined != 1 || passing.Refused["timeout"] != 2 || len(passing.Refused) != 1 {
		t.Errorf("%+v", passing)
	}
	if !quiet.LastEvent.IsZero() || quiet.Refused == nil || len(quiet.Refused) != 0 {
		t.Errorf("%+v", quiet)
	}
	if got.Secrets[0].Used != used || !got.Secrets[1].Used.IsZero() {
		t.Errorf("%+v", got.Secrets)
	}
	route := func(name string) control.Route {
		i := slices.IndexFunc(got.Routes, func(rt control.Route) bool { return rt.Route == name })
		return got.Routes[i]
	}
	app, crm := route("app"), route("crm")
	if !slices.Equal(app.Upstreams, conf.Upstreams) || !slices.Equal(app.Types, conf.Types) || !slices.Equal(app.Schedule, conf.Schedule) ||
		app.Schedule[1].Duration() != 250*time.Millisecond || app.Timeout != 10 || app.MaxInFlight != 32 || app.Rate != 50 || app.Burst != 5 || !app.RateEach || app.Order != conf.Order || app.If != conf.If {
		t.Errorf("%+v, want %+v", app.RouteConfig, conf)
	}
	if app.Success == nil || app.Success.Status != 200 || app.Success.DurationMS != 41 || app.Failure == nil || app.Failure.Status != 500 || app.Failure.Error != "status 500" || !app.Failure.At.Equal(now) {
		t.Errorf("%+v and %+v", app.Success, app.Failure)
	}
	if crm.Success != nil || crm.Failure != nil || crm.Upstreams != nil || crm.Pace == nil || crm.Pace.Until.IsZero() {
		t.Errorf("%+v", crm)
	}
}

// Minutes have what is configured, each list as long as there are minutes.
func TestMinutes(t *testing.T) {
	t.Parallel()
	hour := minutes.New("timeout")
	r := newRig(t, func(o *control.Options) {
		o.Minutes = hour
		o.About = func() control.About { return control.About{Sources: []control.SourceStatus{{Source: "passing"}}} }
	})
	now := time.Now()
	hour.Source("inbox").Accepted(now, 3*time.Millisecond)
	hour.Source("inbox").Refused("timeout")
	hour.Source("no more configured").Accepted(now, time.Millisecond)
	hour.Route("inbox", "app").Delivered(minutes.Outcome{At: now, Took: 40 * time.Millisecond, Status: 200})
	hour.Route("inbox", "app").Waits(12)
	hour.Route("inbox", "gone").Died()
	m, err := control.Over(r.api).Minutes(t.Context())
	r.ok(err)
	if len(m.Sources) != 2 || m.Sources[0].Source != "inbox" || m.Sources[1].Source != "passing" || len(m.Routes) != 2 || m.Routes[0].Route != "app" || m.Routes[1].Route != "crm" {
		t.Fatalf("%+v", m)
	}
	n := len(m.Minutes)
	if n == 0 || m.Began.IsZero() || m.Minutes[0].Before(m.Began.Add(-time.Second)) {
		t.Fatalf("%d minutes since %v, the first at %v", n, m.Began, m.Minutes)
	}
	for _, s := range m.Sources {
		if len(s.Accepted) != n || len(s.Duplicate) != n || len(s.Quarantined) != n || len(s.Refused) != n || len(s.P50) != n || len(s.P99) != n {
			t.Errorf("%+v, want %d of each", s, n)
		}
	}
	for _, rt := range m.Routes {
		if len(rt.Delivered) != n || len(rt.Failed) != n || len(rt.Dead) != n || len(rt.Waiting) != n || len(rt.P50) != n || len(rt.P99) != n {
			t.Errorf("%+v, want %d of each", rt, n)
		}
	}
	inbox, app, crm := m.Sources[0], m.Routes[0], m.Routes[1]
	if control.Lately(inbox.Accepted, 60) != 1 || control.Lately(inbox.Refused, 5) != 1 || slices.Max(inbox.P99) < 3 || slices.Max(inbox.P99) > 3.4 {
		t.Errorf("%+v", inbox)
	}
	if control.Lately(app.Delivered, 60) != 1 || slices.Max(app.Waiting) != 12 || slices.Max(app.P50) < 40 || slices.Max(crm.Waiting) != -1 {
		t.Errorf("%+v, %+v", app, crm)
	}
}
