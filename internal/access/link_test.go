package access_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/access"
)

// answer is what a browser gets.
type answer struct {
	status  int
	header  http.Header
	cookies []*http.Cookie
	page    string
}

// guarded is a dashboard behind a link.
type guarded struct {
	http.Handler
	link    string // Its path and query.
	refused atomic.Int32
}

func newGuarded() *guarded {
	l, token := access.NewLink("1", "Run it again.", time.Now())
	u, err := url.Parse(access.LinkURL("http://127.0.0.1:1", token))
	if err != nil {
		panic(err)
	}
	g := &guarded{link: u.RequestURI()}
	served := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	g.Handler = l.Guard(served, func(*http.Request, string) { g.refused.Add(1) })
	return g
}

func (g *guarded) call(method, target string, cookies []*http.Cookie, header ...string) answer {
	r := httptest.NewRequest(method, target, nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	res := w.Result()
	defer res.Body.Close()
	return answer{w.Code, res.Header, res.Cookies(), w.Body.String()}
}

// The token works once, leaves the address, and gives a cookie that no script and no
// other site gets.
func TestLinkWorksOnce(t *testing.T) {
	t.Parallel()
	g := newGuarded()
	res := g.call("GET", g.link, nil)
	if res.status != http.StatusSeeOther || res.header.Get("Location") != "/" || res.header.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("the link answers %d, %v", res.status, res.header)
	}
	jar := res.cookies
	if len(jar) != 1 || !jar[0].HttpOnly || jar[0].SameSite != http.SameSiteStrictMode || jar[0].Path != "/" || len(jar[0].Value) < 43 {
		t.Fatalf("cookies: %v", jar)
	}
	if strings.Contains(g.link, jar[0].Value) {
		t.Error("the cookie is the token")
	}
	if res := g.call("GET", "/events", jar); res.status != http.StatusOK {
		t.Errorf("with the cookie: %d", res.status)
	}
	if res := g.call("GET", g.link, jar); res.status != http.StatusSeeOther {
		t.Errorf("the link again, with the cookie: %d", res.status)
	}
	if res := g.call("GET", g.link, nil); res.status != http.StatusForbidden || len(res.cookies) > 0 {
		t.Errorf("the link again: %d, %v", res.status, res.cookies)
	}
	jar[0].Value = jar[0].Value[1:]
	if res := g.call("GET", "/", jar); res.status != http.StatusForbidden {
		t.Errorf("with a wrong cookie: %d", res.status)
	}
}

// Whoever has neither gets a sentence with the fix, and a change is reported.
func TestLinkRefusesOthers(t *testing.T) {
	t.Parallel()
	g := newGuarded()
	for _, target := range []string{"/", "/events", "/?token=", "/?token=wrong", "/events" + strings.TrimPrefix(g.link, "/"), "//evil.example" + g.link} {
		res := g.call("GET", target, nil)
		if res.status != http.StatusForbidden || len(res.cookies) > 0 || !strings.Contains(res.page, "Run it again.") {
			t.Errorf("%s: %d %s", target, res.status, res.page)
		}
	}
	if g.refused.Load() != 0 {
		t.Error("a GET is reported")
	}
	if res := g.call("POST", g.link, nil); res.status != http.StatusForbidden || g.refused.Load() != 1 {
		t.Errorf("POST: %d, %d reported", res.status, g.refused.Load())
	}
	if res := g.call("GET", g.link, nil); res.status != http.StatusSeeOther {
		t.Errorf("then the link: %d", res.status)
	}
}

// A browser leaves the cookie out of a redirect that a page of another site began, so
// there the answer is a page of our own that goes on.
func TestLinkFromAnotherSite(t *testing.T) {
	t.Parallel()
	g := newGuarded()
	res := g.call("GET", g.link, nil, "Sec-Fetch-Site", "cross-site")
	if res.status != http.StatusOK || len(res.cookies) != 1 || !strings.Contains(res.page, `content="0; url=/"`) {
		t.Errorf("%d, %v, %s", res.status, res.cookies, res.page)
	}
	if strings.Contains(res.page, "token") {
		t.Errorf("the page holds the token: %s", res.page)
	}
}

func TestLinkExpires(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]int{access.LinkLasts: http.StatusSeeOther, access.LinkLasts + 1: http.StatusForbidden} {
		synctest.Test(t, func(t *testing.T) {
			g := newGuarded()
			time.Sleep(after) // In the test's own time.
			if res := g.call("GET", g.link, nil); res.status != want {
				t.Errorf("after %s: %d, want %d", after, res.status, want)
			}
		})
	}
}

// Of many browsers that open the link at once, one gets the cookie.
func TestLinkRace(t *testing.T) {
	t.Parallel()
	g := newGuarded()
	var in atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if g.call("GET", g.link, nil).status == http.StatusSeeOther {
				in.Add(1)
			}
		})
	}
	all.Wait()
	if in.Load() != 1 {
		t.Errorf("%d browsers are in, want 1", in.Load())
	}
}
