package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// LinkLasts is how long a link can be used for the first time.
const LinkLasts = 10 * time.Minute

// tokenParam is the member of the link's query that holds the token.
const tokenParam = "token"

// Link is a way in by a token that works once. The first request that shows it gets a
// cookie in exchange, and only requests with that cookie are served from then on.
type Link struct {
	cookie  string   // The cookie's name.
	session [32]byte // The digest of the cookie's value.
	fix     string   // What to do without a cookie, in one sentence.
	expires time.Time

	mu    sync.Mutex
	token *[32]byte // The digest of the token; nil when it is used. Guarded by mu.
	value string    // Of the cookie; "" when it was given away. Guarded by mu.
}

// Entry is the path of a link, and the one that it leads to.
const Entry = "/"

// NewLink returns a link and its token. name makes its cookie another one than that of
// other dashboards of the same host, and fix says what to do without the cookie.
func NewLink(name, fix string, now time.Time) (l *Link, token string) {
	token, value := secret(), secret()
	digest := sha256.Sum256([]byte(token))
	return &Link{
		cookie: "inboxgate_" + name, session: sha256.Sum256([]byte(value)), fix: fix,
		expires: now.Add(LinkLasts), token: &digest, value: value,
	}, token
}

// LinkURL returns the address of a link at base, such as http://127.0.0.1:9181.
func LinkURL(base, token string) string {
	return base + Entry + "?" + url.Values{tokenParam: {token}}.Encode()
}

// Guard serves next to requests with the cookie. refused, which may be nil, is called for
// each other request that would change something.
func (l *Link) Guard(next http.Handler, refused func(r *http.Request, why string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get(tokenParam); token != "" && r.Method == http.MethodGet && r.URL.Path == Entry {
			l.enter(w, r, token)
			return
		}
		if !l.holds(r) {
			if refused != nil && r.Method != http.MethodGet && r.Method != http.MethodHead {
				refused(r, "no cookie of this dashboard")
			}
			(&Refusal{http.StatusForbidden, "This dashboard is open to the browser that its link was opened in.", l.fix}).Write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// enter exchanges the token of a link for the cookie.
func (l *Link) enter(w http.ResponseWriter, r *http.Request, token string) {
	if value := l.exchange(token, time.Now()); value != "" {
		http.SetCookie(w, &http.Cookie{Name: l.cookie, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	} else if !l.holds(r) { // A link may be opened again in the same browser.
		(&Refusal{http.StatusForbidden, "This link has been used or is too old: it works once, within 10 minutes.", l.fix}).Write(w)
		return
	}
	redirect(w, r, Entry)
}

// redirect leads to the address without the token.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	headers(w)
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "none" && site != "same-origin" {
		// A browser leaves a SameSite=Strict cookie out of a redirect that a link of
		// another site began.
		_ = onwardPage.Execute(w, to)
		return
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// exchange returns the value of the cookie for the token, once.
func (l *Link) exchange(token string, now time.Time) (value string) {
	digest := sha256.Sum256([]byte(token))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == nil || now.After(l.expires) || subtle.ConstantTimeCompare(digest[:], l.token[:]) != 1 {
		return ""
	}
	value, l.token, l.value = l.value, nil, ""
	return value
}

// holds reports whether a request shows the cookie.
func (l *Link) holds(r *http.Request) bool {
	c, err := r.Cookie(l.cookie)
	if err != nil {
		return false
	}
	digest := sha256.Sum256([]byte(c.Value))
	return subtle.ConstantTimeCompare(digest[:], l.session[:]) == 1
}

// secret returns 256 bits that nobody can guess, as text for an address or a cookie.
func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // It never fails.
	return base64.RawURLEncoding.EncodeToString(b)
}
