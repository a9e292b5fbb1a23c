package cli_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/internal/platform/emulator"
	"github.com/inboxgate/inboxgate/verify"
)

const apiKey = "inbox_key_of_the_test"

// emulate serves an emulator and points the environment of the commands at it.
func emulate(t *testing.T) (*emulator.Emulator, string) {
	t.Helper()
	e, err := emulator.New(emulator.Options{Key: apiKey, Speed: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	e.Start()
	s := httptest.NewServer(e)
	t.Cleanup(func() {
		s.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	apiEnv(t, s.URL, apiKey, "")
	return e, s.URL
}

func apiEnv(t *testing.T, url, key, keyFile string) {
	t.Helper()
	t.Setenv(env.APIURL, url)
	t.Setenv(env.APIKey, key)
	t.Setenv(env.APIKeyFile, keyFile)
}

// objects runs a command with --format json and reads the lines.
func objects[T any](t *testing.T, args ...string) []T {
	t.Helper()
	r := runCommand(t.Context(), "", append([]string{"webhooks", "--format", "json"}, args...)...)
	if r.failed != nil || r.err != "" {
		t.Fatalf("%q: %+v", args, r)
	}
	var all []T
	for line := range strings.Lines(r.out) {
		var one T
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&one); err != nil {
			t.Fatalf("%q: %v in %q", args, err, line)
		}
		all = append(all, one)
	}
	return all
}

func object[T any](t *testing.T, args ...string) T {
	t.Helper()
	all := objects[T](t, args...)
	if len(all) != 1 {
		t.Fatalf("%q: %d lines, want one", args, len(all))
	}
	return all[0]
}

// testedApp takes what is signed with the secret it is given.
func testedApp(t *testing.T, status int) (url string, secret *string, ids <-chan string) {
	t.Helper()
	secret = new(string)
	came := make(chan string, 64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e, err := event.Parse(body)
		if err != nil || r.Header.Get(verify.Header) != verify.Sign([]byte(*secret), body) {
			t.Errorf("the app got %q, signed %q: %v", body, r.Header.Get(verify.Header), err)
		}
		came <- e.Type + " " + e.ID
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/webhooks/inbox?a=1&b=2", secret, came
}

func TestWebhooksRoundTrip(t *testing.T) {
	e, _ := emulate(t)
	url, secret, came := testedApp(t, http.StatusOK)

	// Exactly the API's names, as the README and other programs rely on them.
	created := object[map[string]any](t, "create", "--url", url, "--events", "message.read, message.failed", "--description", "Über <alles>")
	if got, want := slices.Sorted(maps.Keys(created)), []string{"created_at", "description", "events", "id", "secret", "updated_at", "url"}; !slices.Equal(got, want) {
		t.Errorf("create answers with %q, want %q", got, want)
	}
	id, _ := created["id"].(string)
	*secret, _ = created["secret"].(string)
	if !regexp.MustCompile(`^wh_\w+$`).MatchString(id) || len(*secret) < verify.MinSecret || created["url"] != url {
		t.Errorf("created %v", created)
	}
	if r := runCommand(t.Context(), "", "webhooks", "list", "--format", "json"); !strings.Contains(r.out, `"url":"`+url+`"`) || !strings.Contains(r.out, "Über <alles>") {
		t.Errorf("the JSON is escaped for a web page: %s", r.out)
	}
	other := object[platform.Webhook](t, "create", "--url", url)
	if !slices.Equal(other.Events, event.Types()) || other.Description != "" {
		t.Errorf("without --events: %+v", other)
	}
	all := objects[platform.Webhook](t, "list")
	if len(all) != 2 || all[0].ID != id || all[0].Secret != "" || all[0].Description != "Über <alles>" || all[1].ID != other.ID {
		t.Errorf("listed %+v", all)
	}

	// Only what is given changes.
	if w := object[platform.Webhook](t, "update", id, "--events", "message.action"); w.ID != id || w.URL != url || w.Description != "Über <alles>" || !slices.Equal(w.Events, []string{"message.action"}) {
		t.Errorf("updated the events: %+v", w)
	}
	if w := object[platform.Webhook](t, "update", id, "--description", ""); w.Description != "" || w.URL != url || len(w.Events) != 1 || w.Secret != "" {
		t.Errorf("updated the description: %+v", w)
	}

	sent := object[platform.TestEvent](t, "test", id, "--type", "message.action")
	if got := <-came; got != "message.action "+sent.EventID || sent.WebhookID != id || sent.EventType != "message.action" || sent.Status == "" {
		t.Errorf("the app got %q, the test told of %+v", got, sent)
	}
	if err := e.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	logs := objects[platform.LogEntry](t, "logs", id)
	if len(logs) != 1 || logs[0].EventID != sent.EventID || logs[0].Attempt != 1 || logs[0].Status != platform.LogDelivered || logs[0].ResponseStatus != http.StatusOK {
		t.Errorf("logs %+v", logs)
	}

	gone := object[map[string]any](t, "delete", id)
	if gone["id"] != id || gone["deleted"] != true || len(gone) != 2 {
		t.Errorf("deleted %v", gone)
	}
	if all := objects[platform.Webhook](t, "list"); len(all) != 1 || all[0].ID != other.ID {
		t.Errorf("after the deletion: %+v", all)
	}
	runCommand(t.Context(), "", "webhooks", "delete", id).complains(t, "404", id)
}

func TestWebhooksForPeople(t *testing.T) {
	e, _ := emulate(t)
	tell := func(args ...string) string {
		t.Helper()
		r := runCommand(t.Context(), "", append([]string{"webhooks"}, args...)...)
		if r.failed != nil || r.err != "" || strings.Contains(r.out, "\x1b") {
			t.Fatalf("%q: %+v", args, r)
		}
		return r.out
	}
	wants := func(out string, patterns ...string) {
		t.Helper()
		for _, p := range patterns {
			if !regexp.MustCompile(p).MatchString(out) {
				t.Errorf("no %q in\n%s", p, out)
			}
		}
	}
	wants(tell("list"), `There are no webhooks at [^ ]*\. "caddy inbox webhooks create --url <url>" makes one\.`)
	url, secret, came := testedApp(t, http.StatusServiceUnavailable)
	out := tell("create", "--url", url, "--description", "My app")
	wants(out, `^Created wh_\w+\.\n`, `url +http://`, `events +message\.delivered, message\.read, message\.failed, message\.action\n`, `description +My app\n`, `only this once`)
	*secret = regexp.MustCompile(`export INBOX_WEBHOOK_SECRET=(\S+)`).FindStringSubmatch(out)[1]
	id := regexp.MustCompile(`wh_\w+`).FindString(out)
	wants(tell("logs", id), "Nothing was sent to "+id+" yet")
	wants(tell("test", id), `on its way to `+id+`: message\.delivered evt_\w+\n.* webhooks logs `+id+`\n`)
	for range platform.Attempts {
		<-came
	}
	if err := e.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	out = tell("logs", id)
	wants(out, `^TIME +EVENT +TYPE +ATTEMPT +ANSWER +TOOK +STATUS +NEXT\n`,
		`\dZ  evt_\w+ +message\.delivered +6 +503 +\d+ ms +failed +-\n`, `\dZ  evt_\w+ +message\.delivered +1 +503 +\d+ ms +retrying +\d+-\S+Z\n$`)
	if n := strings.Count(out, "\n"); n != 1+platform.Attempts {
		t.Errorf("%d lines of logs", n)
	}
	wants(tell("list"), `^ID +URL +EVENTS +CREATED +DESCRIPTION\n`+id+`  http://\S+  message\.delivered,message\.read,message\.failed,message\.action  \S+Z  My app\n$`)
	if strings.Contains(tell("list")+tell("update", id, "--url", url+"&c"), *secret) {
		t.Error("the secret is shown again")
	}
	wants(tell("delete", id), `^Deleted `+id+`\.\n$`)
}

func TestWebhooksSaveSecret(t *testing.T) {
	e, _ := emulate(t)
	path := filepath.Join(t.TempDir(), "it's secret")
	r := runCommand(t.Context(), "", "webhooks", "create", "--url", "http://127.0.0.1:1/", "--save-secret", path)
	raw, err := os.ReadFile(path)
	id := e.List()[0].ID
	if r.failed != nil || err != nil || string(raw) != e.Secret(id)+"\n" {
		t.Errorf("%+v, %v", r, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if strings.Contains(r.out, e.Secret(id)) || !strings.Contains(r.out, `export INBOX_WEBHOOK_SECRET_FILE='`+strings.ReplaceAll(path, "'", `'\''`)+`'`) {
		t.Errorf("it says %s", r.out)
	}
	// A file that is there may hold another secret, and nothing is created then.
	runCommand(t.Context(), "", "webhooks", "create", "--url", "http://127.0.0.1:1/", "--save-secret", path).complains(t, "--save-secret", "file exists")
	if n := len(e.List()); n != 1 {
		t.Errorf("%d webhooks", n)
	}
	path += "2"
	runCommand(t.Context(), "", "webhooks", "create", "--url", "nonsense", "--save-secret", path).complains(t, "422")
	if _, err := os.Stat(path); err == nil {
		t.Error("a refusal leaves an empty file")
	}
}
