package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/inboxgate/inboxgate/internal/access"
	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/dashboard"
)

// Dashboard serves the operator's pages. It asks for no password itself: put it behind
// `basic_auth`, `forward_auth` or client certificates. Where no user is known it answers
// 503 with what to do, unless the request comes from this machine and through no proxy.
// Every change, and every form that was refused, has a line with the user's name in the
// audit log.
type Dashboard struct {
	// What users may do: `read`, to look only, or `operate`, to hold and resume routes
	// too, and to replay, release and discard events. Default: `read`.
	Actions string `json:"actions,omitempty"`

	// Who may have phone numbers shown, one event at a time, and copy the store: `never`
	// for nobody, or `operate` for users who may operate. Each time has a line in the
	// audit log. Default: `never`.
	Reveal string `json:"reveal,omitempty"`

	// The placeholder that holds the user's name, for the audit log. Where it is empty,
	// nobody is known. `{http.request.tls.client.subject}` is that of a verified client
	// certificate. `{http.request.header.Remote-User}`, or another header, is what a
	// `forward_auth` before this has set with `copy_headers`; without one, any client
	// could send it. Default: `{http.auth.user.id}`, the user of `basic_auth`.
	User string `json:"user,omitempty"`

	// Serve also where no user is known. Whoever reaches the site then sees everything
	// that users do, and with `actions operate` may do everything.
	UnauthenticatedOK bool `json:"unauthenticated_ok,omitempty"`

	// The path below which the pages are, such as `/ops`, where nothing has taken it off
	// before. Other paths go to the next handler. In a Caddyfile, the matcher
	// `inbox_dashboard /ops/*` sets it. Default: none.
	Prefix string `json:"prefix,omitempty"`

	app    *App
	server *caddyhttp.Server
	rule   access.Rule
	once   sync.Once
	pages  http.Handler // Made by once.
}

const (
	dashboardDirective = "inbox_dashboard"

	actionsRead, actionsOperate = "read", "operate"
	revealNever, revealOperate  = "never", "operate"
	basicUser                   = "{http.auth.user.id}"
	clientCertificate           = "{http.request.tls.client."
	requestHeader               = "{http.request.header."
)

// changes are the bulk changes of all dashboards of this process: one that runs is to be
// found after a reload.
var changes = sync.OnceValue(dashboard.NewJobs)

// CaddyModule returns the Caddy module information.
func (*Dashboard) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers." + dashboardDirective, New: func() caddy.Module { return new(Dashboard) }}
}

// Provision finds the app.
func (d *Dashboard) Provision(ctx caddy.Context) error {
	app, err := ctx.App(appID)
	if err != nil {
		return fmt.Errorf("loading the %s app: %w", appID, err)
	}
	d.app = app.(*App)
	d.server, _ = ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	d.app.guards.bound(ctx, d.app.log)
	d.app.guards.shown(d)
	d.User = cmp.Or(d.User, basicUser)
	d.rule = access.Rule{Anyone: d.UnauthenticatedOK, Fix: d.fix()}
	if d.UnauthenticatedOK {
		d.app.log.Warn(dashboardDirective + " asks nobody who they are: whoever reaches the site sees every event, and may do what `actions` says. Remove unauthenticated_ok, and put basic_auth, forward_auth or client certificates before it")
	}
	return nil
}

// fix returns in one sentence what makes users known.
func (d *Dashboard) fix() string {
	switch {
	case d.User == basicUser:
		return "Put basic_auth before " + dashboardDirective + " in the same site; for forward_auth or client certificates, name with `user` the placeholder that holds the user's name."
	case strings.HasPrefix(d.User, clientCertificate):
		return "Have the site verify client certificates: tls { client_auth { mode require_and_verify and a trust_pool } }."
	}
	return "Have forward_auth, before " + dashboardDirective + " in the same site, set what `user` names: " + d.User + "."
}

// placeholder is one placeholder and nothing else. tellsUser are those that only the site
// sets; what a client may write itself is none of them, but for a header.
var (
	placeholder = regexp.MustCompile(`^\{[^{}\s]+\}$`)
	tellsUser   = []string{"{http.auth.user.", clientCertificate, requestHeader, "{http.vars."}
	// private are headers that hold what no log should.
	private = []string{"authorization", "proxy-authorization", "cookie"}
)

// Validate refuses settings that make no sense, or would let strangers in.
func (d *Dashboard) Validate() error {
	switch {
	case !slices.Contains([]string{"", actionsRead, actionsOperate}, d.Actions):
		return fmt.Errorf("actions is '%s': write read, to look only, or operate, to change things too", d.Actions)
	case !slices.Contains([]string{"", revealNever, revealOperate}, d.Reveal):
		return fmt.Errorf("reveal is '%s': write never, or operate to show phone numbers to users who may operate", d.Reveal)
	case d.Reveal == revealOperate && d.Actions != actionsOperate:
		return errors.New("reveal operate is for users who may operate: write actions operate too, or leave reveal out")
	case d.Prefix != "" && (!strings.HasPrefix(d.Prefix, "/") || strings.HasSuffix(d.Prefix, "/") || strings.ContainsAny(d.Prefix, "*?#{} ") || strings.Contains(d.Prefix, "//")):
		return fmt.Errorf("prefix is '%s': write the beginning of a path without a slash at its end, such as /ops", d.Prefix)
	case d.User == "":
		return nil
	case !placeholder.MatchString(d.User):
		return fmt.Errorf("user is '%s', which is the same for everybody: write the placeholder that holds the user's name, such as %s", d.User, basicUser)
	case !slices.ContainsFunc(tellsUser, func(begin string) bool { return strings.HasPrefix(d.User, begin) }):
		return fmt.Errorf("user is %s, which names no user: write %s, %ssubject}, or %sRemote-User} with forward_auth before it", d.User, basicUser, clientCertificate, requestHeader)
	case slices.Contains(private, strings.ToLower(d.header())):
		return fmt.Errorf("user is the header %s, which would bring secrets into the audit log: write one that holds a name alone, such as %sRemote-User}", d.header(), requestHeader)
	}
	return nil
}

// header returns the name of the header that `user` names, or "".
func (d *Dashboard) header() string {
	name, ok := strings.CutPrefix(d.User, requestHeader)
	if !ok {
		return ""
	}
	return strings.TrimSuffix(name, "}")
}

// ServeHTTP serves the pages to callers whom it may.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !d.takes(r.URL.Path) {
		return next.ServeHTTP(w, r)
	}
	if r.URL.Path == d.Prefix { // The links of a page need the slash.
		http.Redirect(w, r, d.before(r)+"/", http.StatusPermanentRedirect)
		return nil
	}
	clientIP, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	name, no := d.rule.Judge(r, d.known(r), clientIP)
	if no != nil {
		d.refused(r, no.Why)
		no.Write(w)
		return nil
	}
	run := d.app.started()
	if run == nil {
		(&access.Refusal{Status: http.StatusServiceUnavailable, Why: "No store is open.", Fix: "Only an " + directiveName + " with routes has one: configure it, or wait until inboxgate has started."}).Write(w)
		return nil
	}
	d.once.Do(func() { d.pages = d.newPages(run) })
	r = r.WithContext(context.WithValue(access.With(r.Context(), name), beforeKey{}, d.before(r)))
	if d.Prefix != "" {
		r.URL = cut(r.URL, d.Prefix)
	}
	d.pages.ServeHTTP(w, r)
	return nil
}

// takes reports whether a path is that of a page.
func (d *Dashboard) takes(path string) bool {
	rest, ok := strings.CutPrefix(path, d.Prefix)
	return ok && (d.Prefix == "" || rest == "" || rest[0] == '/')
}

// cut returns a URL without the prefix of its path.
func cut(u *url.URL, prefix string) *url.URL {
	c := *u
	c.Path = strings.TrimPrefix(u.Path, prefix)
	if raw, ok := strings.CutPrefix(u.RawPath, prefix); ok {
		c.RawPath = raw
	} else {
		c.RawPath = "" // The prefix was written in another way: the path is whole without it.
	}
	return &c
}

// known returns the name of the user whom the site has authenticated, or "". A client
// certificate that nobody has verified names nobody: whoever makes one chooses its subject.
func (d *Dashboard) known(r *http.Request) string {
	if strings.HasPrefix(d.User, clientCertificate) && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0) {
		return ""
	}
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if repl == nil {
		return ""
	}
	return repl.ReplaceAll(d.User, "")
}

// beforeKey is the key of what the browser has before the path of a page.
type beforeKey struct{}

// before returns what the browser has before the path of a page: what handle_path or the
// like has taken off, and the own prefix.
func (d *Dashboard) before(r *http.Request) string {
	was, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok || was.URL == nil {
		return d.Prefix
	}
	taken, ok := strings.CutSuffix(was.URL.Path, r.URL.Path)
	if !ok {
		return d.Prefix
	}
	// Two slashes at its begin would make a link lead to another host.
	if taken = strings.TrimRight(taken, "/"); taken != "" {
		taken = "/" + strings.TrimLeft(taken, "/")
	}
	// Escaped: for a browser, a backslash is a slash.
	return (&url.URL{Path: taken + d.Prefix}).EscapedPath()
}

// newPages returns the pages on a store.
func (d *Dashboard) newPages(run *engine) http.Handler {
	operate := d.Actions == actionsOperate
	return dashboard.New(dashboard.Options{
		Client: control.Over(d.app.api(run)), Operate: operate, Reveal: operate && d.Reveal == revealOperate,
		User: access.User, Refused: d.refused, Jobs: changes(),
		Prefix: func(r *http.Request) string {
			before, _ := r.Context().Value(beforeKey{}).(string)
			return before
		},
	})
}

// refused writes a line about a request that would have changed something.
func (d *Dashboard) refused(r *http.Request, why string) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return
	}
	d.app.audit.LogAttrs(context.Background(), slog.LevelInfo, "dashboard refused a change",
		slog.String("user", cmp.Or(access.User(r), access.Name(d.known(r)))), slog.String("from", r.RemoteAddr),
		slog.String("method", term.Cut(r.Method, maxStranger)), slog.String("path", term.Cut(r.URL.Path, maxStranger)), slog.String("reason", why))
}

// Cleanup ends the bulk changes when the process ends. A reload ends none.
func (d *Dashboard) Cleanup() error {
	if caddy.Exiting() {
		changes().Close()
	}
	return nil
}

// believed returns a warning if `user` is a header that any client can send: nothing
// before the dashboard sets or removes it.
func (d *Dashboard) believed() string {
	name := d.header()
	if name == "" || d.server == nil {
		return ""
	}
	if set, _ := d.setBefore(d.server.Routes, name); set {
		return ""
	}
	return fmt.Sprintf("%s believes the header %s, and nothing before it sets or removes that header: any client can send it and choose a name. Put forward_auth with copy_headers %s before it, or name another placeholder with `user`",
		dashboardDirective, name, name)
}

// setBefore reports whether a handler in the list sets or removes a header of requests
// before they come to the dashboard, and whether they come to it there.
func (d *Dashboard) setBefore(list caddyhttp.RouteList, name string) (set, here bool) {
	for i := range list {
		for _, h := range list[i].Handlers {
			var below caddyhttp.RouteList
			switch h := h.(type) {
			case *Dashboard:
				if h == d {
					return set, true
				}
			case *headers.Handler:
				set = set || replaces(h.Request, name)
			case *reverseproxy.Handler:
				for _, answer := range h.HandleResponse {
					below = append(below, answer.Routes...)
				}
			case *caddyhttp.Subroute:
				below = h.Routes
			case *guard:
				below = h.routes
			}
			inside, there := d.setBefore(below, name)
			if set = set || inside; there {
				return set, true
			}
		}
	}
	return set, false
}

// replaces reports whether nothing is left of what a client has sent in a header.
func replaces(ops *headers.HeaderOps, name string) bool {
	if ops == nil {
		return false
	}
	for header := range ops.Set {
		if strings.EqualFold(header, name) {
			return true
		}
	}
	return slices.ContainsFunc(ops.Delete, func(header string) bool { return strings.EqualFold(header, name) })
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Dashboard)(nil)
	_ caddy.Validator             = (*Dashboard)(nil)
	_ caddy.CleanerUpper          = (*Dashboard)(nil)
	_ caddyhttp.MiddlewareHandler = (*Dashboard)(nil)
)
