package rig

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/inboxgate/inboxgate/internal/proof/history"
)

// Caddyfile is the configuration of the options, with further lines in the
// source. Each attempt carries the number of the life that makes it.
func (r *Rig) Caddyfile(source string) string {
	var routes strings.Builder
	for _, a := range r.apps {
		routes.WriteString(r.route(a))
	}
	return r.Site(fmt.Sprintf("\tinbox_webhook %s {\n%s%s%s\t}\n", Path, indent(r.o.Source, 2), indent(source, 2), routes.String()))
}

// Site is the configuration of the options with other text in place of the
// directive inbox_webhook.
func (r *Rig) Site(directive string) string {
	admin := "off"
	if r.o.Admin {
		admin = r.AdminAddr
	}
	return fmt.Sprintf(`{
	admin %s
	persist_config off
%s	inbox {
		data_dir %s
%s	}
}

http://%s {
%s%s	respond 404
}
`, admin, indent(r.o.Global, 1), r.Data, indent(r.o.Store, 2), r.Listen, directive, indent(r.o.Site, 1))
}

func (r *Rig) route(a *App) string {
	on := "on " + a.route.Types
	if a.route.Types == "" {
		on = "to"
	}
	return fmt.Sprintf(`		%s {
			name %s
			retry %s
%s			handle {
				reverse_proxy %s {
					header_up %s {env.PROOF_LIFE}
				}
			}
		}
`, on, a.route.Name, cmp.Or(a.route.Retry, "1s 1s 2s 2s 5s"), indent(a.route.Lines, 3), a.Addr, history.Life)
}

// indent puts each line of text into a block.
func indent(text string, depth int) string {
	if strings.TrimSpace(text) == "" {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		b.WriteString(strings.Repeat("\t", depth) + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}

// types are those that an `on` of these words takes, as the rig's events need
// them.
func (r Route) takes(typ string) bool {
	if r.Types == "" {
		return false
	}
	for _, word := range strings.Fields(r.Types) {
		prefix, any := strings.CutSuffix(word, "*")
		if word == typ || any && strings.HasPrefix(typ, prefix) {
			return true
		}
	}
	return false
}

// routes are those that get an event of the type.
func (r *Rig) routes(typ string) (names []string) {
	for _, a := range r.apps {
		if a.route.takes(typ) {
			names = append(names, a.route.Name)
		}
	}
	if len(names) > 0 {
		return names
	}
	for _, a := range r.apps {
		if a.route.Types == "" {
			names = append(names, a.route.Name)
		}
	}
	return names
}
