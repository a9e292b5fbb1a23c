package access

import (
	"html/template"
	"net/http"
)

// refusalPage needs neither style nor script: a stranger is shown nothing else of ours.
var refusalPage = template.Must(template.New("refusal").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>inboxgate: not here</title>
</head>
<body>
<main>
<h1>inboxgate</h1>
<p>{{.Why}}</p>
<p>{{.Fix}}</p>
</main>
</body>
</html>
`))

// onwardPage leads on from a link that another site has shown: the cookie that was just
// set is sent with what this page asks for, and would not be with a redirect.
var onwardPage = template.Must(template.New("onward").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="0; url={{.}}">
<title>inboxgate</title>
</head>
<body>
<main>
<h1>inboxgate</h1>
<p><a href="{{.}}">Go on to the dashboard</a></p>
</main>
</body>
</html>
`))

// Write answers a request with the refusal.
func (no *Refusal) Write(w http.ResponseWriter) {
	headers(w)
	if no.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "30")
	}
	w.WriteHeader(no.Status)
	_ = refusalPage.Execute(w, no) // Only a connection that is gone fails it.
}

// headers keeps an answer out of caches, frames and other sites.
func headers(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
