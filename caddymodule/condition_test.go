package caddymodule_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// failedWith is the body of a fresh message.failed whose data is that.
func failedWith(t *testing.T, id, data string) []byte {
	t.Helper()
	return fmt.Appendf(nil, `{"id":%q,"type":%q,"created_at":%q,"data":%s}`, id, event.TypeMessageFailed, time.Now().UTC().Format(time.RFC3339), data)
}

func unclear(source, route string) string {
	return ofRoute("inbox_condition_errors_total", source, route)
}

// A route with an `if` gets what it is true of, and `to` the rest; what it cannot judge
// is counted, and logged once without a value of the event.
func TestIfChoosesEvents(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	some, rest := newApp(t, nil), newApp(t, nil)
	in := start(t, "", fmt.Sprintf(`inbox_webhook /hook {
	name choosing
	on message.failed %s {
		name some
		if data.error_code == "expired" && event.source == "choosing"
	}
	on message.read %s {
		name reads
		if `+"`data.to.startsWith(\"+49\")`"+`
	}
	to %s {
		name rest
		if !has(data.secret_of_ours)
	}
}`, some.addr(), some.addr(), rest.addr()))
	gather(t).want(t, series{unclear("choosing", "some"): 0, unclear("choosing", "reads"): 0, unclear("choosing", "rest"): 0})
	for id, data := range map[string]string{
		"if_true":    `{"error_code":"expired"}`,
		"if_false":   `{"error_code":"blocked"}`,
		"if_missing": `{"to":"+15551234567"}`,
		"if_again":   `{"to":"+15551234568"}`,
		"if_none":    `{"error_code":"blocked","secret_of_ours":1}`,
	} {
		if got := post(t, in.url("/hook"), failedWith(t, id, data)); got.result != "accepted" {
			t.Fatalf("%s: %+v", id, got)
		}
	}
	some.await(t, "if_true")
	for _, id := range []string{"if_false", "if_missing", "if_again"} {
		rest.await(t, id)
	}
	eventually(t, "every delivery to end", func() bool { return len(in.records(spool.Query{Waiting: true})) == 0 })
	if n, m := len(some.arrivals()), len(rest.arrivals()); n != 1 || m != 3 {
		t.Errorf("%d events came to the route with the condition, %d to the rest; want 1 and 3", n, m)
	}
	if found := in.records(spool.Query{Unrouted: true}); len(found) != 1 || found[0].Event.ID != "if_none" {
		t.Errorf("unrouted: %+v", found)
	}
	gather(t).want(t, series{unclear("choosing", "some"): 2, unclear("choosing", "reads"): 0, unclear("choosing", "rest"): 0})
	raw, err := os.ReadFile(in.logs)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(raw), "there is no data.error_code: ask has(data.error_code) first"); n != 1 {
		t.Errorf("the missing member is logged %d times", n)
	}
	if strings.Contains(string(raw), "+1555") {
		t.Error("a phone number is in the log")
	}
}

// What is released from quarantine goes where its conditions send it, and a replay to a
// route goes there whatever they say; both have the key of their route.
func TestReleaseAndReplayKnowRules(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	open := make(chan struct{})
	app := newApp(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		select {
		case <-open:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusOK)
	})
	in, c := operated(t, fmt.Sprintf(`inbox_webhook /hook {
	name ruling
	on message.failed %s {
		name some
		order message_id
		if data.error_code == "expired"
	}
	on message.failed %[1]s {
		name none
		order to
		if data.error_code == "never"
	}
	to %[1]s {
		name rest
	}
}`, app.addr()))
	post(t, in.url("/hook"), failedWith(t, "rule_1", `{"message_id":"msg_1","to":"a","error_code":"expired"}`))
	app.await(t, "rule_1")
	if got := post(t, in.url("/hook"), failedWith(t, "rule_1", `{"message_id":"msg_1","to":"b","error_code":"expired"}`)); got.result != "quarantined" {
		t.Fatalf("%+v", got)
	}
	change := func(ref control.Ref, what, route string) {
		t.Helper()
		if n, err := c.Change(t.Context(), ref, what, route); err != nil || n.Changed != 1 {
			t.Fatalf("%s of %+v: %+v, %v", what, ref, n, err)
		}
	}
	for _, entry := range in.entries() {
		change(control.Ref{Quarantine: true, Ref: fmt.Sprint(entry)}, "release", "")
	}
	post(t, in.url("/hook"), failedWith(t, "rule_2", `{"to":"a","error_code":"blocked"}`))
	change(control.Ref{Ref: "rule_1"}, "replay", "none")
	change(control.Ref{Ref: "rule_2"}, "replay", "none")

	var got []string
	for _, rec := range in.records(spool.Query{}) {
		for _, d := range rec.Deliveries {
			id, _, _ := strings.Cut(rec.Event.ID, "~")
			got = append(got, fmt.Sprintf("%s %s behind=%v", id, d.Route, d.Behind))
		}
	}
	slices.Sort(got)
	want := []string{
		"rule_1 none behind=false", "rule_1 some behind=false", "rule_1 some behind=true", // The last is the released body.
		"rule_2 none behind=true", "rule_2 rest behind=false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("deliveries:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	close(open)
	eventually(t, "every delivery to end", func() bool { return len(in.records(spool.Query{Waiting: true})) == 0 })
}
