package caddymodule_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var caddyBlock = regexp.MustCompile("(?ms)^```caddy\n(.*?)^```$")

// Every Caddyfile that the operator's page shows of the dashboard is one, in the form of
// caddy fmt, and has what knows the user before the pages.
func TestDocumentedDashboards(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(raw), "\n## The dashboard\n")
	section, _, _ = strings.Cut(section, "\n## ")
	ways := map[string]int{}
	for _, block := range caddyBlock.FindAllStringSubmatch(section, -1) {
		if text := string(caddyfile.Format([]byte(block[1]))); text != block[1] {
			t.Errorf("not in the form of caddy fmt:\n%s", block[1])
		}
		if strings.Contains(block[1], "trust_pool file /etc/caddy/operators.pem") {
			block[1] = strings.Replace(block[1], "/etc/caddy/operators.pem", pemFile(t, "CERTIFICATE", newAuthority(t).Raw), 1)
		}
		text, err := adapt(t, "Caddyfile", block[1])
		if err != nil {
			t.Errorf("%v in\n%s", err, block[1])
			continue
		}
		pages := strings.Index(text, `"handler": "inbox_dashboard"`)
		for way, mark := range map[string]string{"password": `"http_basic"`, "server": `"reverse_proxy"`, "certificate": `"require_and_verify"`} {
			if at := strings.Index(text, mark); at >= 0 && (at < pages || way == "certificate") {
				ways[way]++
			}
		}
		if pages < 0 {
			t.Errorf("no dashboard in\n%s", block[1])
		}
	}
	if ways["password"] != 2 || ways["server"] != 2 || ways["certificate"] != 1 {
		t.Errorf("ways shown: %v", ways)
	}
}
