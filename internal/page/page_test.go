package page_test

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/inboxgate/inboxgate/internal/page"
)

var now = time.Date(2026, 3, 1, 12, 4, 31, 912e6, time.UTC)

// The script stays small enough to be read.
func TestScriptIsSmall(t *testing.T) {
	t.Parallel()
	info, err := os.Stat("page.js")
	if err != nil || info.Size() > 6<<10 {
		t.Fatalf("page.js has %d bytes, %v; at most 6 KiB are ours", info.Size(), err)
	}
}

// No file that pages load leads to another origin.
func TestAssetsLoadNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"style.css", "page.js", "frame.html"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bad := regexp.MustCompile(`https?://|url\(|@import|eval\(|new Function`).Find(text); bad != nil {
			t.Errorf("%s has %s", name, bad)
		}
	}
}

func example(t *testing.T) http.Handler {
	t.Helper()
	files := fstest.MapFS{"a.html": {Data: []byte(`{{define "live"}}<p>{{show .User}}</p>{{end}}`)}}
	parsed, err := page.Parse(fs.FS(files), "a.html")
	if err != nil {
		t.Fatal(err)
	}
	return page.Secure(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := parsed.ExecuteTemplate(w, page.Part(r), page.Frame{
			Name: "inboxgate", Title: "<b>", User: "\u202eeve<script>", Prefix: "/ops", Now: now, Every: 2,
			Nav: []page.Link{{Path: "/", Text: "Overview", Here: true}, {Path: "/decide", Text: "Decide", Count: "7"}},
		})
		if err != nil {
			t.Error(err)
		}
	}), nil)
}

func get(h http.Handler, path string, head ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFrame(t *testing.T) {
	t.Parallel()
	h := example(t)
	w := get(h, "/")
	body := w.Body.String()
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, want := range []string{`<bdi><span class="odd">⟨U+202E⟩</span>eve&lt;script&gt;</bdi>`, `aria-current="page"`, `<title>&lt;b&gt; · inboxgate</title>`, `href="/ops/decide"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if bad := regexp.MustCompile(`(?i)<script>|<style|\sstyle=|\son[a-z]+=`).FindString(body); bad != "" {
		t.Errorf("the page has %q", bad)
	}
	if part := get(h, "/", "X-Fragment", "1").Body.String(); strings.Contains(part, "<main") || !strings.Contains(part, "eve") {
		t.Errorf("the fragment is %s", part)
	}
	links := regexp.MustCompile(`/ops(/-/[a-z]+-[0-9a-f]{12}\.(css|js|svg))`).FindAllStringSubmatch(body, -1)
	if len(links) != 3 {
		t.Fatalf("the page loads %v", links)
	}
	for _, l := range links {
		a := get(h, l[1])
		if a.Code != 200 || !strings.Contains(a.Header().Get("Cache-Control"), "immutable") || a.Body.Len() == 0 {
			t.Errorf("%s: %d %v", l[1], a.Code, a.Header())
		}
	}
	if a := get(h, "/-/style-000000000000.css"); a.Code != 404 || strings.Contains(a.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("another name: %d", a.Code)
	}
}

// What changes something must come from a page of the same origin.
func TestOrigins(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, origin, site, method, want string
	}{
		{"a look", "", "", "GET", ""},
		{"a look from elsewhere", "https://evil.example", "cross-site", "GET", ""},
		{"no origin", "", "", "POST", page.NoOrigin},
		{"its own", "http://ops.example", "same-origin", "POST", ""},
		{"its own, old browser", "http://ops.example", "", "POST", ""},
		{"its own by plain HTTP", "http://ops.example:80", "", "POST", page.OtherOrigin},
		{"null", "null", "", "POST", page.OtherOrigin},
		{"another site", "https://evil.example", "cross-site", "POST", page.OtherOrigin},
		{"another site that lies", "http://ops.example", "cross-site", "POST", page.OtherOrigin},
		{"a neighbour", "http://blog.ops.example", "same-site", "POST", page.OtherOrigin},
		{"a method of its own", "https://evil.example", "cross-site", "DELETE", page.OtherOrigin},
	} {
		var got string
		passed := false
		h := page.Secure(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true }), func(_ *http.Request, why string) { got = why })
		r := httptest.NewRequest(tc.method, "http://ops.example/x", nil)
		if tc.origin != "" {
			r.Header.Set("Origin", tc.origin)
		}
		if tc.site != "" {
			r.Header.Set("Sec-Fetch-Site", tc.site)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got != tc.want || passed != (tc.want == "") || !passed && w.Code != http.StatusForbidden {
			t.Errorf("%s: refused for %q, passed %v, %d", tc.name, got, passed, w.Code)
		}
	}
}

func TestLoopbackHosts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:9181": true, "127.8.8.8:1": true, "localhost": true, "LOCALHOST:9181": true, "localhost.": true,
		"a.localhost:1": true, "[::1]": true, "[::1]:9181": true, "::1": true, "[::ffff:127.0.0.1]:1": true,
		"evil.example": false, "evil.example:9181": false, "127.0.0.1.evil.example": false, "localhost.evil.example": false,
		"evil-localhost": false, "10.0.0.1": false, "0.0.0.0": false, "": false, "[::]": false, "2130706433": false,
	} {
		if got := page.IsLoopbackHost(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		page.OnlyLoopbackHost(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if (w.Code == 200) != want {
			t.Errorf("%q is answered %d", host, w.Code)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                  "plain",
		"a\u202eb":               "a⟨U+202E⟩b",
		"\x00":                   "⟨U+0000⟩",
		"a\u200bb\u2066":         "a⟨U+200B⟩b⟨U+2066⟩",
		"\xff":                   "⟨xFF⟩",
		"\ufffd":                 "\ufffd",
		"a\u00a0b\u3164":         "a⟨U+00A0⟩b⟨U+3164⟩",
		"two\nlines\t":           "two⟨U+000A⟩lines⟨U+0009⟩",
		"\u2028\U000e0041\ufeff": "⟨U+2028⟩⟨U+E0041⟩⟨U+FEFF⟩",
		"été 日本 😀":               "été 日本 😀",
	} {
		if got := page.Plain(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := page.Text("a\n\tb\r<"); got != "<bdi>a\n\tb<span class=\"odd\">⟨U+000D⟩</span>&lt;</bdi>" {
		t.Errorf("%q", got)
	}
	if got := page.Short(4, "äöüß") + page.Short(3, "äöüß"); got != "äöüßäö…" {
		t.Errorf("%q", got)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 s", 41 * time.Millisecond: "41 ms", 1100 * time.Millisecond: "1.1 s", 2 * time.Second: "2 s", 9999 * time.Millisecond: "9.9 s",
		12 * time.Minute: "12 min", 76 * time.Hour: "3 d 4 h", 90 * time.Second: "1 min 30 s", 48 * time.Hour: "2 d", 500 * 24 * time.Hour: "1 year 135 d",
		-2 * time.Second: "-2 s", 3 * time.Microsecond: "under 1 ms", 25 * time.Hour: "1 d 1 h", 20 * 365 * 24 * time.Hour: "20 years", 61 * time.Minute: "1 h 1 min",
	} {
		if got := page.Duration(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 286: "286 B", 1023: "1023 B", 1024: "1.0 KiB", 642 << 20: "642 MiB", 10 << 30: "10 GiB", 1<<30 - 1: "1.0 GiB", 1 << 62: "4096 PiB"} {
		if got := page.Size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1204: "1,204", -1204567: "-1,204,567"} {
		if got := page.Count(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	f := page.Frame{Now: now}
	for text, want := range map[string]string{
		string(f.Time(now.Add(-2 * time.Second))):        `<time datetime="2026-03-01T12:04:29.912Z" title="2026-03-01 12:04:29.912 UTC, 2 s ago">12:04:29</time>`,
		string(f.Time(now.Add(-48 * time.Hour))):         `<time datetime="2026-02-27T12:04:31.912Z" title="2026-02-27 12:04:31.912 UTC, 2 d ago">27 Feb 12:04</time>`,
		string(f.Time(now.Add(-9999 * time.Hour))):       `<time datetime="2025-01-08T21:04:31.912Z" title="2025-01-08 21:04:31.912 UTC, 1 year 51 d ago">2025-01-08 21:04</time>`,
		string(f.Ago(now.Add(9500 * 1e6))):               `<time datetime="2026-03-01T12:04:41.412Z" title="2026-03-01 12:04:41.412 UTC" class="ago">in 9 s</time>`,
		string(f.Time(time.Time{}) + f.Ago(time.Time{})): "–never",
	} {
		if text != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
	}
}

func TestPlot(t *testing.T) {
	t.Parallel()
	f := page.Frame{Now: now}
	p := page.Plot{ID: "app-1", Title: "<b>\u202e a minute", Times: []time.Time{now.Add(-time.Minute), now}, Series: []page.Series{{Name: "delivered", Values: []float64{3, 12}}, {Name: "failed", Values: []float64{-1, 1}}}}
	got := string(f.Plot(p))
	for _, want := range []string{`role="img"`, `<title id="app-1-title">&lt;b&gt;⟨U+202E⟩ a minute: delivered 12 at last, 12 at most; failed 1 at last, 1 at most</title>`, "<td class=\"num\">–</td>", `scope="col"`, `scope="row"`, "M236 1.0h3v30.0h-3z"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Contains(got, "NaN") || strings.Contains(got, "Inf") || bytes.Contains([]byte(got), []byte("style=")) {
		t.Error(got)
	}
	p.Bare, p.Series = true, nil
	if got := string(f.Plot(page.Plot{ID: "x", Title: "empty", Series: []page.Series{{Name: "events"}}})); !strings.Contains(got, "events nothing yet") {
		t.Error(got)
	}
	if got := string(f.Plot(p)); strings.Contains(got, "<table") {
		t.Error(got)
	}
}
