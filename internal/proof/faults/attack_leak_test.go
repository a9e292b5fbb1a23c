package faults

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// loud is a configuration that says all it can: the debug level, an access log,
// metrics, the admin API, a copy of the configuration on disk.
func loud(t *testing.T, global string) *rig.Rig {
	t.Helper()
	r := rig.New(t, rig.Options{
		Admin: true, Global: global + "\nmetrics {\n\tper_host\n}", Source: "secret {env.INBOX_WEBHOOK_SECRET}", Site: "log",
	})
	r.Configure(strings.Replace(r.Caddyfile(""), "\tpersist_config off\n", "", 1))
	return r
}

// misadventures sends what an output could tell of: good events, copies, odd,
// forged, refused and failing ones. It returns the events and all answers.
func misadventures(t *testing.T, r *rig.Rig) (events []history.Event, answers string) {
	t.Helper()
	r.App("all").Behave(firstly(newVisits(), 1, rig.Answer(http.StatusInternalServerError, "said")))
	for range rig.Rounds(10, 200) {
		e := r.Event(event.TypeMessageFailed)
		events = append(events, e)
		wantOK(t, r, e)
		r.Send(t.Context(), e)
		bad := odd(e.ID+" odd", append([]byte(`["odd",`), append(e.Body, ']')...))
		r.Send(t.Context(), bad)
		unsigned := forged(e, "forged")
		unsigned.Body = append([]byte(" "), e.Body...)
		r.Send(t.Context(), unsigned)
		r.SendTo(t.Context(), r.URL, forged(e, "encoded"), func(q *http.Request) {
			q.Header.Set("Content-Encoding", "gzip")
			q.Header.Set("X-Inbox-Signature", unsigned.Signature+"0")
		})
		events = append(events, bad)
		for _, a := range append(answersTo(t, r.Listen, strings.Replace(whole(r, unsigned), "POST", "PUT", 1)), answersTo(t, r.Listen, whole(r, unsigned)[:400])...) {
			var text strings.Builder
			_ = a.Header.Write(&text) // A builder takes everything.
			_ = a.Write(&text)
			answers += text.String()
		}
	}
	r.AwaitAll()
	return events, answers
}

// outputs is all that the program shows, by where, but its store.
func outputs(t *testing.T, r *rig.Rig, output, answers string) map[string]string {
	t.Helper()
	all := map[string]string{"the log": output, "an answer": answers}
	_, all["the admin API's configuration"] = admin(t, r, http.MethodGet, "/config/", "", nil)
	_, all["the metrics"] = admin(t, r, http.MethodGet, "/metrics", "", nil)
	_, all["the list of upstreams"] = admin(t, r, http.MethodGet, "/reverse_proxy/upstreams", "", nil)
	_, all["the profiles"] = admin(t, r, http.MethodGet, "/debug/pprof/cmdline", "", nil)
	err := filepath.WalkDir(r.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path, r.Data) {
			return err
		}
		text, err := os.ReadFile(path)
		all[filepath.Base(path)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"autosave.json", "the metrics", "the admin API's configuration"} {
		if all[name] == "" {
			t.Errorf("%s is empty: this test shows nothing", name)
		}
	}
	return all
}

// secrets are what no output may hold, by name.
func secrets(events []history.Event) map[string]string {
	never := map[string]string{"the secret": rig.Secret, "a phone number": "15551234567", "a piece of a body": `"data":{"message_id"`}
	for _, e := range events {
		never["the body of "+e.Key+e.ID] = string(e.Body)
	}
	return never
}

// Nothing that the program shows holds a secret, a body or a phone number, even
// at its loudest. A signature is in Caddy's own lines about a request, and not
// there either with the filter that the documentation names.
func TestFaultSecretsInOutputs(t *testing.T) {
	t.Parallel()
	const filter = "log {\n\tlevel DEBUG\n\tformat filter {\n\t\trequest>headers>X-Inbox-Signature delete\n\t\theaders>X-Inbox-Signature delete\n\t\twrap json\n\t}\n}"
	r := loud(t, filter)
	l := r.Start()
	events, answers := misadventures(t, r)
	never := secrets(events)
	for _, e := range events {
		never["the signature of "+e.Key+e.ID] = strings.TrimPrefix(e.Signature, "sha256=")
	}
	shown := outputs(t, r, l.Output(), answers)
	for where, text := range shown {
		for what, s := range never {
			if i := strings.Index(text, s); i >= 0 {
				t.Errorf("%s is in %s: %.300s", what, where, text[max(0, i-250):])
				break
			}
		}
	}
	if !strings.Contains(shown["the log"], `"level":"debug"`) || !strings.Contains(shown["the log"], `"logger":"http.log.access`) {
		t.Error("the log is quiet: this test shows nothing")
	}
	wantJSONLog(t, l.Output())
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{58}, "secrets, bodies, phone numbers and signatures in outputs", len(shown))
}

// Types that a sender invents make no series of a metric.
func TestFaultInventedTypes(t *testing.T) {
	t.Parallel()
	r := loud(t, "")
	r.Start()
	series := func() (n int, text string) {
		_, text = admin(t, r, http.MethodGet, "/metrics", "", nil)
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "#") {
				n++
			}
		}
		return n, text
	}
	send := func(typ string) {
		e := r.Event(event.TypeMessageFailed)
		e.Body = []byte(strings.Replace(string(e.Body), event.TypeMessageFailed, typ, 1))
		e.Type, e.Routes, e.Signature = typ, nil, rig.Sign(e.Body)
		if strings.HasPrefix(typ, "message.") {
			e.Routes = []string{"all"}
		}
		wantOK(t, r, e)
	}
	for i := range 20 { // Once everything has happened that makes a series by itself.
		send([]string{"message.read", "message.first", "first"}[i%3])
	}
	r.AwaitAll()
	before, _ := series()
	types := rig.Rounds(200, 5000)
	for i := range types {
		send([]string{"message.invented_", "invented.", "Invented-"}[i%3] + strings.Repeat("x", i%90) + string(rune('a'+i%26)))
	}
	r.AwaitAll()
	after, text := series()
	if before < 50 || after > before+20 {
		t.Errorf("%d series before %d invented types, %d after", before, types, after)
	}
	if strings.Contains(strings.ToLower(text), "invented") || strings.Contains(text, "evt_") {
		t.Error("a metric tells a type or an id that a sender chose")
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{61}, "types that a sender invents, as labels", types)
}
