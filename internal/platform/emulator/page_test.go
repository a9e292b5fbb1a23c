package emulator

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
)

// A form leads back to its button, so that who presses keys goes on from there.
func TestPageLeadsBackToTheButton(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Transport: wire(func(*http.Request) (int, error) { return 200, nil })})
		w := hook(t, e, "http://receiver.test/in")
		text := look(t, e)
		for path, form := range map[string]url.Values{
			"/page/test":  {"webhook": {w.ID}, "type": {event.TypeMessageRead}},
			"/page/forge": {"webhook": {w.ID}},
			"/page/pause": {"webhook": {w.ID}, "paused": {"false"}},
		} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:4000"+path, strings.NewReader(form.Encode()))
			r.RemoteAddr = "127.0.0.1:50000"
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", "http://127.0.0.1:4000")
			answer := httptest.NewRecorder()
			e.ServeHTTP(answer, r)
			id, ok := strings.CutPrefix(answer.Header().Get("Location"), "/#")
			if !ok || !strings.Contains(text, `<button id="`+id+`"`) {
				t.Errorf("%s: %d leads to %q, which is no button of the page", path, answer.Code, answer.Header().Get("Location"))
			}
		}
		wait(t, e)
	})
}

// press asks as a browser on this machine does.
func press(t *testing.T, e *Emulator, method, path string, form url.Values, change func(*http.Request)) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:4000"+path, strings.NewReader(form.Encode()))
	r.RemoteAddr = "127.0.0.1:50000"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "http://127.0.0.1:4000")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(text)
}

func look(t *testing.T, e *Emulator) string {
	t.Helper()
	status, text := press(t, e, http.MethodGet, "/", nil, nil)
	if status != http.StatusOK {
		t.Fatalf("the page: %d %s", status, text)
	}
	return text
}

func has(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// The page shows what was sent, what came back and what waits; its buttons send, forge,
// pause and go on.
func TestPage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		status := 200
		e := open(t, Options{Transport: wire(func(*http.Request) (int, error) { return status, nil })})
		has(t, look(t, e), "webhooks create --url", "Nothing yet.")
		w := hook(t, e, "http://receiver.test/in")
		first := look(t, e)
		has(t, first, w.ID, "http://receiver.test/in", "active", "at its speed")
		if strings.Contains(first, w.Secret) {
			t.Error("the page shows the secret")
		}
		types := regexp.MustCompile(`name="type" value="([^"]+)"`).FindAllStringSubmatch(first, -1)
		if len(types) != len(event.Types()) {
			t.Fatalf("buttons for %v", types)
		}
		for _, m := range types {
			if code, text := press(t, e, http.MethodPost, "/page/test", url.Values{"webhook": {w.ID}, "type": {m[1]}}, nil); code != http.StatusSeeOther {
				t.Errorf("%s: %d %s", m[1], code, text)
			}
		}
		wait(t, e)
		status = 500
		press(t, e, http.MethodPost, "/page/test", url.Values{"webhook": {w.ID}, "type": {event.TypeMessageRead}}, nil)
		synctest.Wait()
		has(t, look(t, e), "1 of 6", "in 30 s", `<span class="state wait">waiting`, `<span class="state ok">delivered`, "500 in under 1 ms")

		press(t, e, http.MethodPost, "/page/pause", url.Values{"webhook": {w.ID}, "paused": {"true"}}, nil)
		time.Sleep(time.Hour)
		has(t, look(t, e), "paused", "1 wait for their turn", `value="false"`)
		if c := e.Counts(); c.Attempts != len(types)+1 {
			t.Errorf("a paused webhook got %+v", c)
		}
		status = 200
		press(t, e, http.MethodPost, "/page/pause", url.Values{"webhook": {w.ID}, "paused": {"false"}}, nil)
		wait(t, e)
		status = 401
		press(t, e, http.MethodPost, "/page/forge", url.Values{"webhook": {w.ID}}, nil)
		e.Advance(time.Hour)
		synctest.Wait()
		has(t, look(t, e), "wrong_secret", "bad_signature:", `<span class="state off">forged`, "extra:")
		if c := e.Counts(); c.Forgeries != 2 || c.Delivered != len(types)+1 {
			t.Errorf("counts %+v", c)
		}
	})
}

// Foreign text stays text, wherever it comes from.
func TestPageShowsHostileText(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Transport: hostile{}})
		const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>` + "\u202e"
		w, err := e.Create(platform.Registration{URL: "http://receiver.test/?q=" + url.QueryEscape(evil) + "'<b>", Events: event.Types(), Description: evil})
		if err != nil {
			t.Fatal(err)
		}
		id := strings.ReplaceAll(`evt_<script>alert(2)</script>'"`, "\x00", "")
		for _, body := range []string{
			`{"id":` + `"` + strings.ReplaceAll(id, `"`, `\"`) + `","type":"message.read","created_at":"2026-01-01T00:00:00Z","data":{}}`,
			`{"id":"` + strings.Repeat("x", 256) + `","type":"message.read","created_at":"2026-01-01T00:00:00Z","data":{}}`,
			evil + "\x00\xff",
		} {
			if err := e.SendBody(w.ID, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		text := look(t, e)
		has(t, text, "&lt;script&gt;alert(1)", "⟨U+202E⟩", "&lt;script&gt;alert(2)", strings.Repeat("x", 256))
		if bad := regexp.MustCompile(`(?i)<script>|<img|<b>|<style|\sstyle=|<[^>]*\son[a-z]+=|\x{202e}`).FindString(text); bad != "" {
			t.Errorf("the page has %q", bad)
		}
	})
}

// hostile is a receiver that answers with an attack where the page shows the result.
type hostile struct{}

func (hostile) RoundTrip(r *http.Request) (*http.Response, error) {
	_ = r.Body.Close()
	return &http.Response{StatusCode: 500, Header: http.Header{"X-Inbox-Result": {"<script>alert(1)</script>\u202e"}}, Body: http.NoBody, Request: r}, nil
}

// Nothing is done for another page, another machine, a foreign name or a look, and the
// JSON API stays as it is.
func TestPageRefuses(t *testing.T) {
	t.Parallel()
	e := open(t, Options{Transport: wire(func(*http.Request) (int, error) { return 200, nil })})
	w := hook(t, e, "http://receiver.test/")
	send := url.Values{"webhook": {w.ID}, "type": {event.TypeMessageRead}}
	pause := url.Values{"webhook": {w.ID}, "paused": {"true"}}
	for _, tt := range []struct {
		name, method, path string
		form               url.Values
		change             func(*http.Request)
		status             int
		says               string
	}{
		{"no origin", http.MethodPost, "/page/test", send, func(r *http.Request) { r.Header.Del("Origin") }, 403, ""},
		{"another site", http.MethodPost, "/page/pause", pause, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403, ""},
		{"same-site", http.MethodPost, "/page/forge", pause, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403, ""},
		{"foreign name", http.MethodPost, "/page/test", send, func(r *http.Request) { r.Host = "evil.example" }, 421, ""},
		{"foreign name, a look", http.MethodGet, "/", nil, func(r *http.Request) { r.Host = "evil.example:4000" }, 421, ""},
		{"another machine", http.MethodGet, "/", nil, func(r *http.Request) { r.RemoteAddr = "192.0.2.1:5000" }, 403, "ssh -L"},
		{"another machine with the key", http.MethodPost, "/page/test", send, func(r *http.Request) {
			r.RemoteAddr = "192.0.2.1:5000"
			r.Header.Set("Authorization", "Bearer "+testKey)
		}, 403, "ssh -L"},
		{"a look", http.MethodGet, "/page/test?webhook=" + w.ID, nil, nil, 405, ""},
		{"unknown webhook", http.MethodPost, "/page/pause", url.Values{"webhook": {"wh_\u202e"}}, nil, 404, "no webhook"},
		{"no webhook", http.MethodPost, "/page/forge", nil, nil, 404, "no webhook"},
		{"unknown type", http.MethodPost, "/page/test", url.Values{"webhook": {w.ID}, "type": {"x"}}, nil, 422, "unknown event type"},
		{"large", http.MethodPost, "/page/test", url.Values{"webhook": {strings.Repeat("x", maxRequest)}}, nil, 400, ""},
		{"elsewhere", http.MethodGet, "/else", nil, nil, 404, `"code":"not_found"`},
		{"a browser at the control", http.MethodGet, "/_emulator/state", nil, nil, 403, "browsers are not served here"},
		{"no key", http.MethodGet, "/v1/webhooks", nil, nil, 401, `"code":"unauthorized"`},
	} {
		status, text := press(t, e, tt.method, tt.path, tt.form, tt.change)
		if status != tt.status || !strings.Contains(text, tt.says) || strings.Contains(text, "\u202e") {
			t.Errorf("%s: %d %s", tt.name, status, text)
		}
	}
	if c := e.Counts(); c.Events != 0 || c.Forgeries != 0 || e.see().Hooks[0].Paused {
		t.Errorf("something was done: %+v", c)
	}
}

// A pause outlives the process, and so does what waits behind it.
func TestPauseIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir, came := t.TempDir(), 0
		o := Options{Dir: dir, Transport: wire(func(*http.Request) (int, error) { came++; return 200, nil })}
		first := open(t, o)
		w := hook(t, first, "http://receiver.test/")
		if err := first.Pause(w.ID, true); err != nil {
			t.Fatal(err)
		}
		if _, err := first.Test(w.ID, event.TypeMessageRead); err != nil {
			t.Fatal(err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		second := open(t, o)
		time.Sleep(time.Hour)
		if !second.see().Hooks[0].Paused || came != 0 {
			t.Errorf("the webhook got %d, %+v", came, second.see().Hooks[0])
		}
		if err := second.Pause(w.ID, false); err != nil {
			t.Fatal(err)
		}
		wait(t, second)
		if came != 1 || second.Counts().Delivered != 1 {
			t.Errorf("it got %d, %+v", came, second.Counts())
		}
	})
}

// However much was sent, the page shows a part, and says of how much.
func TestPageOfMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Transport: wire(func(*http.Request) (int, error) { return 500, nil })})
		hook(t, e, "http://receiver.test/")
		send(t, e, SendRequest{Count: 1500})
		synctest.Wait()
		text := look(t, e)
		has(t, text, "The latest 100 of 1,500", "The next 20 of 1,500")
		if n := strings.Count(text, "<tr>"); n > pageSent+pageDue+2 {
			t.Errorf("%d rows", n)
		}
		for pattern, want := range map[string]int{`<h1>`: 1, `<th>`: 0, `<caption>`: 2, `<section class="card`: 6} {
			if n := len(regexp.MustCompile(pattern).FindAllString(text, -1)); n != want {
				t.Errorf("%d of %s, want %d", n, pattern, want)
			}
		}
	})
}
