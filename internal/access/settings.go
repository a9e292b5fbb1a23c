package access

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Values of Settings.
const (
	// ActionsRead lets users look only, and ActionsOperate change things too.
	ActionsRead, ActionsOperate = "read", "operate"
	// RevealNever shows phone numbers to nobody, and RevealOperate to users who may operate.
	RevealNever, RevealOperate = "never", "operate"
	// BasicUser is the placeholder of the user that a password has shown.
	BasicUser = "{http.auth.user.id}"

	clientCertificate = "{http.request.tls.client."
	requestHeader     = "{http.request.header."
)

// Settings are what a site's configuration says of its users, and where its pages are.
type Settings struct {
	// Actions is ActionsRead, ActionsOperate, or empty for the former.
	Actions string
	// Reveal is RevealNever, RevealOperate, or empty for the former.
	Reveal string
	// User is the placeholder that holds the user's name, empty for BasicUser.
	User string
	// Prefix is the path below which the pages are, without a slash at its end; empty for
	// all paths.
	Prefix string
}

// placeholder is one placeholder and nothing else. tellsUser are those that only the site
// sets; what a client may write itself is none of them, but for a header.
var (
	placeholder = regexp.MustCompile(`^\{[^{}\s]+\}$`)
	tellsUser   = []string{"{http.auth.user.", clientCertificate, requestHeader, "{http.vars."}
	// private are headers that hold what no log should.
	private = []string{"authorization", "proxy-authorization", "cookie"}
)

// Check refuses settings that make no sense, or would let strangers in.
func (s Settings) Check() error {
	switch {
	case !slices.Contains([]string{"", ActionsRead, ActionsOperate}, s.Actions):
		return fmt.Errorf("actions is '%s': write read, to look only, or operate, to change things too", s.Actions)
	case !slices.Contains([]string{"", RevealNever, RevealOperate}, s.Reveal):
		return fmt.Errorf("reveal is '%s': write never, or operate to show phone numbers to users who may operate", s.Reveal)
	case s.Reveal == RevealOperate && s.Actions != ActionsOperate:
		return errors.New("reveal operate is for users who may operate: write actions operate too, or leave reveal out")
	case s.Prefix != "" && (!strings.HasPrefix(s.Prefix, "/") || strings.HasSuffix(s.Prefix, "/") || strings.ContainsAny(s.Prefix, "*?#{} ") || strings.Contains(s.Prefix, "//")):
		return fmt.Errorf("prefix is '%s': write the beginning of a path without a slash at its end, such as /ops", s.Prefix)
	case s.User == "":
		return nil
	case !placeholder.MatchString(s.User):
		return fmt.Errorf("user is '%s', which is the same for everybody: write the placeholder that holds the user's name, such as %s", s.User, BasicUser)
	case !slices.ContainsFunc(tellsUser, func(begin string) bool { return strings.HasPrefix(s.User, begin) }):
		return fmt.Errorf("user is %s, which names no user: write %s, %ssubject}, or %sRemote-User} with forward_auth before it", s.User, BasicUser, clientCertificate, requestHeader)
	case slices.Contains(private, strings.ToLower(s.Header())):
		return fmt.Errorf("user is the header %s, which would bring secrets into the audit log: write one that holds a name alone, such as %sRemote-User}", s.Header(), requestHeader)
	}
	return nil
}

// Fix returns in one sentence what makes users known to the directive of that name.
func (s Settings) Fix(directive string) string {
	switch {
	case s.User == BasicUser:
		return "Put basic_auth before " + directive + " in the same site, or with INBOX_DASHBOARD set INBOX_DASHBOARD_USER and INBOX_DASHBOARD_PASSWORD_HASH; for forward_auth or client certificates, name with `user` the placeholder that holds the user's name."
	case strings.HasPrefix(s.User, clientCertificate):
		return "Have the site verify client certificates: tls { client_auth { mode require_and_verify and a trust_pool } }."
	}
	return "Have forward_auth, before " + directive + " in the same site, set what `user` names: " + s.User + "."
}

// Header returns the name of the header that User names, or "".
func (s Settings) Header() string {
	name, ok := strings.CutPrefix(s.User, requestHeader)
	if !ok {
		return ""
	}
	return strings.TrimSuffix(name, "}")
}

// Verified reports whether the site can have verified what User names of a request. A
// client certificate that nobody has verified names nobody: whoever makes one chooses its
// subject.
func (s Settings) Verified(r *http.Request) bool {
	return !strings.HasPrefix(s.User, clientCertificate) || r.TLS != nil && len(r.TLS.VerifiedChains) > 0
}

// Takes reports whether a path is that of a page.
func (s Settings) Takes(path string) bool {
	rest, ok := strings.CutPrefix(path, s.Prefix)
	return ok && (s.Prefix == "" || rest == "" || rest[0] == '/')
}

// Cut returns a URL without the prefix of its path.
func (s Settings) Cut(u *url.URL) *url.URL {
	c := *u
	c.Path = strings.TrimPrefix(u.Path, s.Prefix)
	if raw, ok := strings.CutPrefix(u.RawPath, s.Prefix); ok {
		c.RawPath = raw
	} else {
		c.RawPath = "" // The prefix was written in another way: the path is whole without it.
	}
	return &c
}

// Before returns what the browser has before the path of a page: what the site has taken
// off, and Prefix. was is the path that the browser asked for, and path what is left of it.
func (s Settings) Before(was, path string) string {
	taken, ok := strings.CutSuffix(was, path)
	if !ok {
		return s.Prefix
	}
	// Two slashes at its begin would make a link lead to another host.
	if taken = strings.TrimRight(taken, "/"); taken != "" {
		taken = "/" + strings.TrimLeft(taken, "/")
	}
	// Escaped: for a browser, a backslash is a slash.
	return (&url.URL{Path: taken + s.Prefix}).EscapedPath()
}
