package desk

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// browser asks the desk as a browser does.
type browser struct {
	*testing.T
	at     string
	client *http.Client
}

func browse(t *testing.T, d *Desk) browser {
	t.Helper()
	s := httptest.NewServer(d.Handler())
	t.Cleanup(s.Close)
	return browser{t, s.URL, s.Client()}
}

func (b browser) do(method, path string, form url.Values, change func(*http.Request)) (int, string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, b.at+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.at)
	if change != nil {
		change(r)
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (b browser) look() string {
	b.Helper()
	status, text := b.do(http.MethodGet, "/", nil, nil)
	if status != http.StatusOK {
		b.Fatalf("the page: %d %s", status, text)
	}
	return text
}

// What is switched and sent on the page happens, and the page tells it.
func TestPage(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.Links = []Link{{"Dashboard", "http://127.0.0.1:1/"}}
	b := browse(t, d)
	first := b.look()
	for _, want := range []string{"Nothing was switched yet", "Retried after 2, 5 and 10 s.", `href="http://127.0.0.1:1/"`, "Nothing yet."} {
		if !strings.Contains(first, want) {
			t.Errorf("no %q in\n%s", want, first)
		}
	}
	// Each button of the page is one that works.
	for _, m := range regexp.MustCompile(`name="mode" value="([^"]+)"`).FindAllStringSubmatch(first, -1) {
		if status, text := b.do(http.MethodPost, "/switch", url.Values{"app": {"on-call"}, "mode": {m[1]}}, nil); status != http.StatusOK || !strings.Contains(text, `value="`+m[1]+`" aria-pressed="true"`) {
			t.Errorf("%s: %d %s", m[1], status, text)
		}
		if d.Apps[1].Mode() != Mode(m[1]) || d.Apps[0].Mode() != Up {
			t.Errorf("%s: the apps are %s and %s", m[1], d.Apps[0].Mode(), d.Apps[1].Mode())
		}
	}
	for _, w := range Waves() {
		if !strings.Contains(first, `name="wave" value="`+w.Name+`"`) {
			t.Errorf("no button for %s", w.Name)
		}
	}
	if status, text := b.do(http.MethodPost, "/send", url.Values{"wave": {"forged"}}, nil); status != http.StatusOK || !strings.Contains(text, "10 forgeries are on their way") {
		t.Errorf("%d %s", status, text)
	}
	d.settled(t)
	text := b.look()
	for _, want := range []string{"5 events sent", "10 forgeries, 0 let in", "5 × 200, 10 × 401", "<td><bdi>app</bdi></td>"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if n := strings.Count(text, "<li><time"); n != maxDone {
		t.Errorf("it tells %d things that were done", n)
	}
	if _, part := b.do(http.MethodGet, "/", nil, func(r *http.Request) { r.Header.Set("X-Fragment", "1") }); strings.Contains(part, "<main") || !strings.Contains(part, "5 events sent") {
		t.Errorf("the fragment is\n%s", part)
	}
}

// A form leads back to its button, so that who presses keys goes on from there.
func TestPageLeadsBackToTheButton(t *testing.T) {
	t.Parallel()
	d := open(t)
	b := browse(t, d)
	text, to := b.look(), ""
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		to = r.URL.Fragment
		return nil
	}
	for path, form := range map[string]url.Values{
		"/switch": {"app": {"on-call"}, "mode": {"410"}},
		"/send":   {"wave": {"forged"}},
	} {
		to = ""
		if status, _ := b.do(http.MethodPost, path, form, nil); status != http.StatusOK || to == "" || !strings.Contains(text, `<button id="`+to+`"`) {
			t.Errorf("%s: %d leads to %q, which is no button of the page", path, status, to)
		}
	}
	d.settled(t)
}

// Nothing is switched by another page, by a program without an origin, by a foreign name
// of this machine, by a look, or by nonsense.
func TestPageRefuses(t *testing.T) {
	t.Parallel()
	d := open(t)
	b := browse(t, d)
	down := url.Values{"app": {"app"}, "mode": {"down"}}
	for _, tt := range []struct {
		name, method, path string
		form               url.Values
		change             func(*http.Request)
		status             int
	}{
		{"no origin", http.MethodPost, "/switch", down, func(r *http.Request) { r.Header.Del("Origin") }, http.StatusForbidden},
		{"another site", http.MethodPost, "/switch", down, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, http.StatusForbidden},
		{"cross-site", http.MethodPost, "/send", url.Values{"wave": {"one"}}, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
		{"foreign name", http.MethodPost, "/switch", down, func(r *http.Request) { r.Host = "evil.example" }, http.StatusMisdirectedRequest},
		{"foreign name, a look", http.MethodGet, "/", nil, func(r *http.Request) { r.Host = "evil.example" }, http.StatusMisdirectedRequest},
		{"a look", http.MethodGet, "/switch?app=app&mode=down", nil, nil, http.StatusMethodNotAllowed},
		{"in the URL", http.MethodPost, "/switch?app=app&mode=down", nil, nil, http.StatusUnprocessableEntity},
		{"unknown app", http.MethodPost, "/switch", url.Values{"app": {"<b>\u202e"}, "mode": {"down"}}, nil, http.StatusUnprocessableEntity},
		{"unknown mode", http.MethodPost, "/switch", url.Values{"app": {"app"}, "mode": {"x"}}, nil, http.StatusUnprocessableEntity},
		{"unknown wave", http.MethodPost, "/send", url.Values{"wave": {"x"}}, nil, http.StatusUnprocessableEntity},
		{"large", http.MethodPost, "/switch", url.Values{"app": {strings.Repeat("a", maxRequest)}}, nil, http.StatusBadRequest},
		{"elsewhere", http.MethodGet, "/else", nil, nil, http.StatusNotFound},
	} {
		status, text := b.do(tt.method, tt.path, tt.form, tt.change)
		if status != tt.status || strings.Contains(text, "\u202e") || strings.Contains(text, "<b>") && tt.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", tt.name, status, text)
		}
	}
	if d.Apps[0].Mode() != Up || d.Platform.Counts().Events != 0 || len(d.done()) != 0 {
		t.Errorf("something was done: %s, %+v, %v", d.Apps[0].Mode(), d.Platform.Counts(), d.done())
	}
}

// The page's form: one heading, labelled groups, no script and no style of its own.
func TestPageForm(t *testing.T) {
	t.Parallel()
	text := browse(t, open(t)).look()
	for pattern, want := range map[string]int{
		`<h1>`: 1, `<form method="post" action="/`: 3, `role="group" aria-label="[^"]+"`: 4,
		`<th>`: 0, `(?i)<script>|<style|\sstyle=|\son[a-z]+=`: 0, `<caption>`: 1,
	} {
		if n := len(regexp.MustCompile(pattern).FindAllString(text, -1)); n != want {
			t.Errorf("%d of %s, want %d, in\n%s", n, pattern, want, text)
		}
	}
}
