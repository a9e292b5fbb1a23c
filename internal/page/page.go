// Package page is what any HTML page of inboxgate is made of: the headers that a
// browser obeys, one style sheet, one script, the frame around each page, plots, and
// times, sizes and foreign text in words.
//
// Guarantee: a page served through Secure loads nothing from another origin, runs no
// inline script or style, is shown in no frame and kept in no cache. A request that
// changes something is refused unless the browser says that it comes from the same
// origin. Foreign text is shown as text: what has no shape of its own (bidi controls,
// zero-width characters, NUL) is shown by its number.
//
// Limits: it knows no users and no rights; whoever serves a page must ask for them. The
// script is an extra: each page works without it.
package page

import (
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"time"
)

//go:embed frame.html
var frameFile embed.FS

// Link is one entry of a page's navigation.
type Link struct {
	// Path is where it leads, below Frame.Prefix, and Text what is read.
	Path, Text string
	// Count is shown behind the text, unless it is empty.
	Count string
	// Here reports whether it is the page that is shown.
	Here bool
}

// Frame is what surrounds the content of a page. Structures that are given to a template
// embed it.
type Frame struct {
	// Name is that of the program, and Version its version or what else is said of it
	// in the page's head.
	Name, Version string
	// Title is the page's, its heading too.
	Title string
	// Prefix comes before each path of a link, without a slash at its end.
	Prefix string
	// User is the name of the person who looks, empty for none.
	User string
	Nav  []Link
	// Every is how many seconds lie between two refreshes of what is live, 0 for none.
	Every int
	// Reload is the same for a browser without the script, which loads the page again,
	// without a query. It names an address, because one that has a fragment, as after a
	// form that leads back to its button, would not be loaded but scrolled to.
	Reload int
	// Now is the time by which others are told as past. It must be set.
	Now time.Time
}

// Fields is a Frame without methods, for structures that embed it in programs of which
// the size matters: each method would be there once a structure. Templates have time, ago
// and plot as functions of Fields.Now instead.
type Fields Frame

// assetPath returns the address, behind the prefix, of a file of the package: style, script
// or icon.
func assetPath(kind string) string { return assetsAt + names[kind] }

// Parse returns the template of a page: frame.html of this package, the functions of
// Funcs, and the given files. They must define "live", which is refreshed, and may define
// "above" and "below", which are not.
func Parse(files fs.FS, patterns ...string) (*template.Template, error) {
	return ParseWith(nil, files, patterns...)
}

// ParseWith is Parse with more functions.
func ParseWith(more template.FuncMap, files fs.FS, patterns ...string) (*template.Template, error) {
	t, err := template.New("frame").Funcs(Funcs()).Funcs(more).ParseFS(frameFile, "frame.html")
	if err != nil {
		return nil, err
	}
	return t.ParseFS(files, patterns...)
}

// fragmentHeader is the header by which the script asks for what is live alone.
const fragmentHeader = "X-Fragment"

// IsFragment reports whether a request asks for the part of a page that is live.
func IsFragment(r *http.Request) bool { return r.Header.Get(fragmentHeader) != "" }

// Part returns the name of the template that answers a request.
func Part(r *http.Request) string {
	if IsFragment(r) {
		return "live"
	}
	return "frame"
}
