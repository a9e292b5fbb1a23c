package dashboard_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/dashboard"
	"github.com/inboxgate/inboxgate/internal/page"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// posts are all forms that there are, and what each would do.
var posts = map[string]url.Values{
	"/events/1":          {"do": {"replay"}},
	"/events/21":         {"do": {"discard"}},
	"/events/1/full":     {},
	"/quarantine/1":      {"do": {"remove"}},
	"/quarantine/1/full": {},
	"/routes":            {"do": {"hold"}, "source": {"inbox"}, "route": {"app"}},
	"/confirm":           {"do": {"discard"}, "words": {"state=dead"}, "reason": {"no"}},
	"/jobs/x":            {},
	"/store/backup":      {},
	"/nothing":           {},
}

func (r *rig) refusals() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.refused)
}

// A dashboard that may only read has no forms that post, and refuses all that come.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, dashboard.Options{Reveal: true})
	r.busy()
	before := r.ids("/events?state=dead")
	for _, path := range r.all() {
		text := r.get(path).Body.String()
		for _, bad := range []string{`method="post"`, "/confirm", "Reveal", "Download a backup", ">Hold…", `name="form"`} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %q", path, bad)
			}
		}
	}
	if w := r.get("/confirm?do=discard&state=dead"); w.Code != http.StatusForbidden {
		t.Errorf("the page of confirmation: %d", w.Code)
	}
	for path, form := range posts {
		if w := r.post(path, form); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "actions operate") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if got := r.refusals(); len(got) != len(posts) || slices.ContainsFunc(got, func(why string) bool { return why != dashboard.NoRight }) {
		t.Errorf("%d refusals of %d: %v", len(got), len(posts), got)
	}
	if got := r.ids("/events?state=dead"); got != before || r.audit.String() != "" {
		t.Errorf("something changed: %s", r.audit.String())
	}
}

// To reveal is a right of its own: who may operate does not have it.
func TestNoReveal(t *testing.T) {
	t.Parallel()
	r := newRig(t, dashboard.Options{Operate: true})
	r.busy()
	for _, path := range []string{"/events/1/full", "/quarantine/1/full", "/store/backup"} {
		w := r.post(path, nil)
		if w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), phone) {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if got := r.refusals(); len(got) != 3 || got[0] != dashboard.NoReveal || r.audit.String() != "" {
		t.Errorf("refused %v, audit %s", got, r.audit.String())
	}
	for _, path := range r.all() {
		if text := r.get(path).Body.String(); strings.Contains(text, "5551234") || strings.Contains(text, "sha256=") || strings.Contains(text, "/full") {
			t.Errorf("%s shows what is masked, or offers to", path)
		}
	}
}

// What a foreign page, or no page, sends is refused before anything is done.
func TestForeignPosts(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.busy()
	n := 0
	for path, form := range posts {
		for _, from := range []struct{ origin, site, why string }{
			{"", "", page.NoOrigin},
			{"https://evil.example", "", page.OtherOrigin},
			{"https://evil.example", "cross-site", page.OtherOrigin},
			{"http://blog.ops.example", "same-site", page.OtherOrigin},
			{"null", "", page.OtherOrigin},
		} {
			n++
			w := r.post(path, form, "Origin", from.origin, "Sec-Fetch-Site", from.site)
			if got := r.refusals(); w.Code != http.StatusForbidden || len(got) != n || got[n-1] != from.why {
				t.Errorf("%s from %q (%s): %d, %v", path, from.origin, from.site, w.Code, got)
			}
		}
	}
	if r.audit.String() != "" {
		t.Errorf("something changed: %s", r.audit.String())
	}
}

// A GET changes nothing, whatever its address says.
func TestGetChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.busy()
	count := func() (states string) {
		p, err := r.store.Records(t.Context(), spool.Query{Limit: 1000})
		r.ok(err)
		for _, rec := range p.Records {
			for _, d := range rec.Deliveries {
				states += d.State.String() + " "
			}
		}
		return states
	}
	before, token := count(), r.token("/")
	for path, form := range posts {
		form := cloneForm(form, token)
		if w := r.get(path + "?" + form.Encode()); w.Code >= 500 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if after := count(); after != before || r.audit.String() != "" {
		t.Errorf("before %s, after %s, audit %s", before, after, r.audit.String())
	}
}

func cloneForm(form url.Values, token string) url.Values {
	out := url.Values{"form": {token}}
	for name, values := range form {
		out[name] = values
	}
	return out
}

// Phone numbers are shown to who may see them, for one event, and the audit log has who.
func TestReveal(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.busy()
	if text := r.page("/events/1"); strings.Contains(text, phone) || !strings.Contains(text, "/events/1/full") {
		t.Error("the page shows the number, or offers no way to it")
	}
	w := r.post("/events/1/full", nil)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), phone) || !strings.Contains(w.Body.String(), "sha256=secret") || strings.Contains(w.Body.String(), "data-every") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if bad := faults(w.Body.String()); len(bad) > 0 {
		t.Error(bad)
	}
	if got := r.audit.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "user=alice") || !strings.Contains(got, "evt_ok00") || strings.Contains(got, "555") {
		t.Errorf("audit: %s", got)
	}
	if w := r.get("/events/1/full"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/events/1" {
		t.Errorf("the same address by GET: %d", w.Code)
	}
}

// A copy of the store is a file of SQLite, for who may see all, and in the audit log.
func TestBackup(t *testing.T) {
	t.Parallel()
	r := newRig(t, operator)
	r.busy()
	w := r.post("/store/backup", nil)
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "SQLite format 3\x00") || !strings.Contains(w.Header().Get("Content-Disposition"), `filename="inbox-2`) || w.Header().Get("Content-Length") == "0" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if got := r.audit.String(); !strings.Contains(got, "backup") || !strings.Contains(got, "user=alice") {
		t.Errorf("audit: %s", got)
	}
}
