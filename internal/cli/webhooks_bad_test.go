package cli_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/platform"
)

// Whatever is wrong is one line, and nothing is sent where the flags tell.
func TestWebhooksMistakes(t *testing.T) {
	e, url := emulate(t)
	for _, tt := range []struct {
		name string
		args []string
		says []string
	}{
		{"unknown command", []string{"lst"}, []string{`unknown command "lst"; did you mean "list"?`}},
		{"unknown flag", []string{"list", "--urll", "x"}, []string{"unknown flag: --urll"}},
		{"no flag for the key", []string{"list", "--api-key", "x"}, []string{"unknown flag"}},
		{"argument too many", []string{"list", "now"}, []string{`"now"`}},
		{"no id", []string{"delete"}, []string{"0 webhook ids", "webhooks list"}},
		{"empty id", []string{"logs", ""}, []string{"give one"}},
		{"two ids", []string{"logs", "wh_1", "wh_2"}, []string{"2 webhook ids"}},
		{"no id but a path", []string{"delete", "../webhooks"}, []string{"is no webhook id"}},
		{"no URL", []string{"create"}, []string{"no URL", "--url"}},
		{"empty URL", []string{"create", "--url", ""}, []string{"--url is empty"}},
		{"not http", []string{"create", "--url", "ftp://yourapp.com"}, []string{"422", "http or https"}},
		{"no events", []string{"create", "--url", "http://a", "--events", ""}, []string{"--events is empty"}},
		{"near a type", []string{"create", "--url", "http://a", "--events", "message.red"}, []string{`did you mean "message.read"?`}},
		{"far from all types", []string{"create", "--url", "http://a", "--events", "everything"}, []string{"422", `unknown event type "everything"`}},
		{"empty type", []string{"create", "--url", "http://a", "--events", "message.read,"}, []string{"empty type"}},
		{"nothing to update", []string{"update", "wh_1"}, []string{"nothing to change"}},
		{"update unknown id", []string{"update", "wh_1", "--url", "http://a"}, []string{"404", "wh_1"}},
		{"delete unknown id", []string{"delete", "wh_1"}, []string{"404", "wh_1"}},
		{"logs of unknown id", []string{"logs", "wh_1"}, []string{"404", "wh_1"}},
		{"test unknown id", []string{"test", "wh_1"}, []string{"404", "wh_1"}},
		{"test near a type", []string{"test", "wh_1", "--type", "message.action "}, []string{`did you mean "message.action"?`}},
		{"format", []string{"list", "--format", "yaml"}, []string{`--format is "yaml"`}},
		{"timeout", []string{"list", "--timeout", "0s"}, []string{"--timeout"}},
		{"timeout is no duration", []string{"list", "--timeout", "soon"}, []string{"--timeout"}},
		{"address is no URL", []string{"list", "--api-url", "getinbox.app"}, []string{"no http or https URL"}},
		{"wrong path", []string{"list", "--api-url", url + "/api"}, []string{"404"}},
		{"nobody listens", []string{"list", "--api-url", "http://" + closedPort(t)}, []string{"connection refused"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runCommand(t.Context(), "", append([]string{"webhooks"}, tt.args...)...).complains(t, tt.says...)
		})
	}
	if n := len(e.List()); n != 0 {
		t.Errorf("%d webhooks were created", n)
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	return s.Listener.Addr().String()
}

func TestWebhooksKey(t *testing.T) {
	_, url := emulate(t)
	list := func(key, file string) ran {
		t.Helper()
		apiEnv(t, url, key, file)
		return runCommand(t.Context(), "", "webhooks", "list")
	}
	if r := list("", writeFile(t, " "+apiKey+"\n")); r.failed != nil {
		t.Errorf("from a file: %+v", r)
	}
	list("", "").complains(t, "no API key: set INBOX_API_KEY")
	list(apiKey, "/file").complains(t, "both INBOX_API_KEY and INBOX_API_KEY_FILE are set")
	list("", "/no/such/file").complains(t, "reading INBOX_API_KEY_FILE", "no such file")
	list("", writeFile(t, "\n")).complains(t, "no API key in")
	list("a wrong key", "").complains(t, "INBOX_API_KEY")
	r := list("another-key", "")
	r.complains(t, "401", "the API key is wrong", "check INBOX_API_KEY")
	if strings.Contains(r.err, "another-key") {
		t.Errorf("the key is shown: %q", r.err)
	}
}

// The API may answer anything, and so may what is not the API.
func TestWebhooksOddAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		answer http.HandlerFunc
		says   []string
	}{
		{"a web page", []string{"list"}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>\n<p>hello")
		}, []string{"not JSON", "200 OK, text/html"}},
		{"an error page", []string{"logs", "wh_1"}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html>\n<p>bad gateway")
		}, []string{"502 Bad Gateway"}},
		{"no list", []string{"list"}, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"hello":"world"}`)
		}, []string{"no list of webhooks"}},
		{"no webhook", []string{"create", "--url", "http://a"}, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{}`)
		}, []string{"no webhook with an id"}},
		{"a redirect", []string{"list"}, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, []string{"302", "http://127.0.0.1:1/"}},
		{"escape sequences", []string{"list"}, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"\u001b[2Jtwo\nlines"}`)
		}, []string{"[2Jtwo lines"}},
		{"a cut answer", []string{"list"}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"data":`)
		}, []string{"unexpected EOF"}},
		{"hangs", []string{"list", "--timeout", "50ms"}, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}, []string{"no answer within 50ms"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.answer)
			defer s.Close()
			apiEnv(t, s.URL, apiKey, "")
			r := runCommand(t.Context(), "", append([]string{"webhooks"}, tt.args...)...)
			r.complains(t, tt.says...)
			if r.out != "" || strings.Contains(r.err, "\x1b") {
				t.Errorf("%+v", r)
			}
		})
	}
}

// What the API says of a webhook moves neither columns nor the cursor.
func TestWebhooksOddText(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"id":"wh_1\t\n","url":"http://a\u001b[2J","events":["\u001b[2J\u202e"]}]`)
	}))
	defer s.Close()
	apiEnv(t, s.URL, apiKey, "")
	r := runCommand(t.Context(), "", "webhooks", "list")
	if r.failed != nil || strings.Count(r.out, "\n") != 2 || strings.ContainsAny(r.out, "\x1b\u202e\t") {
		t.Errorf("%+v", r)
	}
	if w := object[platform.Webhook](t, "list"); w.URL == "" {
		t.Errorf("%+v", w)
	}
}
