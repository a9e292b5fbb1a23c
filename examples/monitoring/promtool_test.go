// Package monitoring_test has Prometheus's own tool read the rules and the
// dashboard. That they name metrics of ours is checked in caddymodule.
package monitoring_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// promtool runs the tool, which comes with Prometheus, in this directory.
func promtool(t *testing.T, args ...string) string {
	t.Helper()
	proctest.Needs(t, "promtool")
	out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The command of the README.
func TestRulesAreValid(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", "alerts.yaml")
	promtool(t, "check", "config", "--syntax-only", "prometheus.yml")
}

// Each alert fires when it should, and not before.
func TestRulesFire(t *testing.T) {
	t.Parallel()
	promtool(t, "test", "rules", "alerts_test.yaml")
}

// Each alert has a moment at which it fires and one at which it does not.
func TestEveryRuleIsTested(t *testing.T) {
	t.Parallel()
	var rules struct {
		Groups []struct{ Rules []struct{ Alert string } }
	}
	readYAML(t, "alerts.yaml", &rules)
	var tests struct {
		Tests []struct {
			Name  string
			Exprs []struct {
				Expr    string
				Samples []struct{ Value float64 } `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		}
	}
	readYAML(t, "alerts_test.yaml", &tests)
	quiet, fires := map[string]bool{}, map[string]bool{}
	for _, test := range tests.Tests {
		for _, e := range test.Exprs {
			if !strings.Contains(e.Expr, fmt.Sprintf("ALERTS{alertname=%q, alertstate=\"firing\"}", test.Name)) {
				t.Errorf("%s looks at %s", test.Name, e.Expr)
			}
			seen := quiet
			if len(e.Samples) > 0 {
				seen = fires
			}
			seen[test.Name] = true
		}
	}
	found := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			found++
			if !quiet[r.Alert] || !fires[r.Alert] {
				t.Errorf("alerts_test.yaml does not see %s fire and be quiet", r.Alert)
			}
		}
	}
	if found == 0 || len(tests.Tests) != found {
		t.Errorf("%d alerts, %d tests", found, len(tests.Tests))
	}
}

// Each expression of the dashboard is one that Prometheus can read.
func TestDashboardIsValid(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(raw, &board); err != nil {
		t.Fatal(err)
	}
	type rule struct{ Record, Expr string }
	type group struct {
		Name  string
		Rules []rule
	}
	all := group{Name: "dashboard"}
	// What Grafana puts in before it asks.
	filled := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$source", ".*")
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			all.Rules = append(all.Rules, rule{fmt.Sprintf("panel:%d", len(all.Rules)), filled.Replace(target.Expr)})
		}
	}
	text, err := yaml.Marshal(map[string][]group{"groups": {all}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := promtool(t, "check", "rules", file); len(all.Rules) < 20 || !strings.Contains(out, fmt.Sprintf("%d rules found", len(all.Rules))) {
		t.Errorf("%d expressions: %s", len(all.Rules), out)
	}
}

func readYAML(t *testing.T, name string, v any) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
