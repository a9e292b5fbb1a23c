package caddymodule_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// hashOfHorse is that of the password "correct-horse".
const hashOfHorse = "$2a$04$2/K2ZXPHyr7jlARuFlyHvuPBPU6fj5bKO2Lq1CM6uA11P2f34z/HG"

// visit is one request of a browser, or of somebody who is none.
type visit struct {
	method, url, host, user, password, body string
	header                                  []string // Names and values in turn.
	client                                  *http.Client
}

// page returns the status, the text and the headers.
func (v visit) page(t *testing.T) (int, string, http.Header) {
	t.Helper()
	if v.method == "" {
		v.method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(t.Context(), v.method, v.url, strings.NewReader(v.body))
	if err != nil {
		t.Fatal(err)
	}
	if v.user != "" {
		r.SetBasicAuth(v.user, v.password)
	}
	if v.body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(v.header); i += 2 {
		r.Header.Set(v.header[i], v.header[i+1])
	}
	r.Host = v.host
	c := v.client
	if c == nil {
		c = &http.Client{Transport: client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	res, err := c.Do(r)
	for n := 0; n < 50 && err != nil && unanswered(err); n++ { // As do does, for the same reason.
		if r.Body, err = r.GetBody(); err == nil {
			res, err = c.Do(r) //nolint:bodyclose // Closed below: only one without an answer is sent again.
		}
	}
	if err != nil {
		t.Fatalf("%s %s: %v", v.method, v.url, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw), res.Header
}

// throughProxy are headers that a proxy on this machine adds.
var throughProxy = []string{"X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https"}

// ops is a Caddy with a webhook and, at PORT, a site for operators, each on loopback.
func ops(t *testing.T, site string) (*instance, string) {
	t.Helper()
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	port, bind := listen(t)
	in := start(t, "", opsSite(port, bind, site))
	return in, "http://127.0.0.1:" + port
}

// opsSite is the body of the rig's site that has another site behind it.
func opsSite(port, bind, site string) string {
	return "inbox_webhook /hook {\nname ops\nto 127.0.0.1:1 {\nname app\n}\n}\n}\nhttp://:" + port + " {\nbind " + bind + "\n" + site + "\n"
}

// shows reports whether a page is one of the dashboard for that user.
func shows(page, user string) bool {
	return strings.Contains(page, "</html>") && strings.Contains(page, "<nav") && strings.Contains(page, user)
}
