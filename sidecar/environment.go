package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/inboxgate/inboxgate/internal/env"
)

// settings is what the built-in Caddyfile is written from.
type settings struct {
	Site   string // The site's address.
	Bind   string // The interface it listens on; all when empty.
	Others string // The address of the site for all other hosts, if one is needed.
	Path   string
	App    []option // Of the global option `inbox`.
	// Database reports whether the environment names a database for the store, and
	// Storage are the words of its block.
	Database bool
	Storage  []option
	// Ops is the site of probes and metrics, empty for none, on OpsBind.
	Ops, OpsBind string
	Admin        string // The address of Caddy's admin endpoint, or off.
	// Operator is the site of the operator's API for other machines, empty for
	// none, on OperatorBind. Caddy's own endpoint is never there.
	Operator, OperatorBind string
	Dashboard              pages
	// Proxies are the networks whose X-Forwarded-* headers are believed.
	Proxies []string
	Retry   []string // Of every route; the platform's own schedule when empty.
	Each    []words  // Of every route.
	Routes  []route
}

// words are a line of a route's block.
type words struct {
	Word   string
	Values []string
}

type option struct{ Word, Value string }

// route is an `on`, or the `to` when Type is empty.
type route struct {
	Type      string
	Upstreams []string
}

// Name is not the address, as it would be in a Caddyfile that gives none: what
// waits must find its way when the address in the environment changes.
func (r route) Name() string {
	if r.Type == "" {
		return "default"
	}
	return r.Type
}

func defaults() settings {
	s := settings{Site: "http://:8080", Path: "/webhooks/inbox"}
	if err := s.ops(env.DefaultOpsListen); err != nil {
		panic(err) // A constant.
	}
	return s
}

// readEnvironment makes settings of the variables in environ ("NAME=value"). Its
// error joins every mistake, each with what to do. An empty variable is an
// unset one, as in a compose file.
func readEnvironment(environ []string, secrets func() ([]string, error)) (settings, []string, error) {
	values, hash := make(map[string]string), ""
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if name == env.DashboardPasswordHash {
			hash = value
		}
		if strings.TrimSpace(value) != "" {
			values[name] = strings.TrimSpace(value)
		}
	}
	s := defaults()
	errs := checkSecrets(secrets)
	upstreams := false
	for _, v := range variables {
		value, ok := values[v.name]
		if !ok {
			continue
		}
		upstreams = upstreams || strings.HasPrefix(v.name, env.Upstream)
		if err := v.check(value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", v.name, err))
			continue
		}
		if err := v.set(&s, value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", v.name, err))
		}
	}
	if s.Operator != "" && values[env.AdminToken] == "" && values[env.AdminTokenFile] == "" {
		errs = append(errs, fmt.Errorf("%s: other machines reach '%s', and there is no token that they must show: set %s to, for example, the output of `openssl rand -hex 24`, or choose 127.0.0.1:2019 or a socket",
			env.Admin, values[env.Admin], env.AdminToken))
	}
	errs = append(errs, s.checkDashboard(values, hash)...)
	if len(s.Storage) > 0 && !s.Database {
		for _, name := range []string{env.DatabaseDurability, env.DatabaseBatches, env.MemberName} {
			if values[name] != "" {
				errs = append(errs, fmt.Errorf("%s: it is for a store in a database, and none is named: set %s, or unset it", name, env.DatabaseURL))
			}
		}
	}
	if values[env.DatabaseURL] != "" && values[env.DatabaseURLFile] != "" {
		errs = append(errs, env.BothSetError{Value: env.DatabaseURL, File: env.DatabaseURLFile})
	}
	if !upstreams {
		errs = append(errs, fmt.Errorf("no upstream: set %s to the address of your app, for example %s=app:3000 (or one of %s_MESSAGE_DELIVERED, _READ, _FAILED, _ACTION)", env.Upstream, env.Upstream, env.Upstream))
	}
	return s, warnings(values), errors.Join(errs...)
}

// checkSecrets says what the module would refuse later, before anything starts.
func checkSecrets(read func() ([]string, error)) (errs []error) {
	secrets, err := read()
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("%w: set it to the path of a file that inboxgate may read", err)
	}
	if err != nil {
		return []error{err}
	}
	for i, s := range secrets {
		if len(s) < env.MinSecret {
			errs = append(errs, fmt.Errorf("%s: secret %d of %d has %d bytes: a secret needs at least %d; copy all of it, or choose a longer one on the platform",
				env.Secret, i+1, len(secrets), len(s), env.MinSecret))
		}
	}
	return errs
}

// check tries the value in a Caddyfile that is otherwise right. So the rules and
// the words are those of the module, and each variable is judged alone.
func (v variable) check(value string) error {
	s := defaults()
	if err := v.set(&s, value); err != nil {
		return err
	}
	if s.Dashboard.Site == s.Ops {
		s.Ops = "" // Another variable may move it.
	}
	if s.Dashboard.Site == s.Site {
		s.Site = "http://:1"
	}
	if len(s.Routes) == 0 {
		s.Routes = []route{{Upstreams: []string{"app:3000"}}}
	}
	if _, _, err := s.adapt(); err != nil {
		return reason(err)
	}
	return nil
}

// warnings tells of what is not wrong, and probably not meant.
func warnings(values map[string]string) (all []string) {
	all = strays(values)
	if values[env.Upstream] != "" {
		return all
	}
	var without []string
	for _, t := range typeVariables() {
		if values[t.name] == "" {
			without = append(without, t.name)
		}
	}
	if n := len(without); n > 0 && n < len(typeVariables()) {
		all = append(all, fmt.Sprintf("neither %s nor %s is set: such events are stored, and go to no app", env.Upstream, strings.Join(without, ", ")))
	}
	return all
}
