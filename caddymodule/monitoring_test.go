package caddymodule_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/inboxgate/inboxgate/caddymodule"
)

const monitoring = "../examples/monitoring"

var (
	metricName   = regexp.MustCompile(`\binbox_[a-z_]+`)
	quoted       = regexp.MustCompile(`"[^"]*"`)
	matcher      = regexp.MustCompile(`\b(inbox_[a-z_]+)\{([^}]*)\}`)
	labelMatched = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	grouping     = regexp.MustCompile(`\b(?:by|on|without|ignoring) \(([^)]*)\)`)
	shownLabel   = regexp.MustCompile(`\$labels\.([a-z_]+)`)
	legendLabel  = regexp.MustCompile(`\{\{([a-z_]+)\}\}`)
)

// Labels that Prometheus adds.
var scraped = []string{"instance", "job", "le"}

// labelsOf are the labels of a metric, which must exist.
func labelsOf(t *testing.T, name string) []string {
	t.Helper()
	all := caddymodule.MetricNames()
	if labels, ok := all[name]; ok {
		return labels
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, cut := strings.CutSuffix(name, suffix)
		if labels, ok := all[base]; cut && ok && strings.HasSuffix(base, "_seconds") && !strings.HasPrefix(base, "inbox_route_") && !strings.HasPrefix(base, "inbox_store_") {
			return labels
		}
	}
	t.Errorf("there is no metric %s", name)
	return nil
}

// checkExpression looks for metrics, and labels of them, that do not exist. It
// returns the labels that the expression's metrics have.
func checkExpression(t *testing.T, expr string) (labels []string) {
	t.Helper()
	names := metricName.FindAllString(quoted.ReplaceAllString(expr, `""`), -1)
	if len(names) == 0 && !strings.HasPrefix(expr, "up{") {
		t.Errorf("%s names no metric of ours", expr)
	}
	labels = slices.Clone(scraped)
	for _, name := range names {
		labels = append(labels, labelsOf(t, name)...)
	}
	for _, m := range matcher.FindAllStringSubmatch(quoted.ReplaceAllString(expr, `""`), -1) {
		own := append(labelsOf(t, m[1]), scraped...)
		for _, l := range labelMatched.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(own, l[1]) {
				t.Errorf("%s has no label %s: %s", m[1], l[1], expr)
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for _, l := range strings.Split(g[1], ",") {
			if l = strings.TrimSpace(l); !slices.Contains(labels, l) {
				t.Errorf("no metric has the label %s: %s", l, expr)
			}
		}
	}
	return labels
}

// Every alert names metrics and labels that exist, says what it means, and
// leads to what to do.
func TestMonitoringAlerts(t *testing.T) {
	t.Parallel()
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	readYAML(t, "alerts.yaml", &file)
	guide, guideErr := os.ReadFile("../docs/operating.md")
	seen := make(map[string]bool)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || seen[r.Alert] {
				t.Errorf("an alert of %s has no name of its own: %q", g.Name, r.Alert)
			}
			seen[r.Alert] = true
			labels := checkExpression(t, r.Expr)
			for _, l := range shownLabel.FindAllStringSubmatch(r.Annotations["summary"]+r.Annotations["description"], -1) {
				if !slices.Contains(labels, l[1]) {
					t.Errorf("%s shows a label that it has not: %s", r.Alert, l[1])
				}
			}
			if len(r.Annotations["summary"]) < 20 || len(r.Annotations["description"]) < 40 {
				t.Errorf("%s does not say what it means", r.Alert)
			}
			if want := "https://github.com/inboxgate/inboxgate/blob/main/docs/operating.md#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
				t.Errorf("%s leads to %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
			}
			if guideErr == nil && !regexp.MustCompile(`(?m)^#+ `+r.Alert+`$`).Match(guide) {
				t.Errorf("docs/operating.md has no section %s", r.Alert)
			}
			if s := r.Labels["severity"]; !slices.Contains([]string{"critical", "warning", "info"}, s) {
				t.Errorf("%s has severity %q", r.Alert, s)
			}
		}
	}
	for _, name := range []string{
		"InboxDown", "InboxStoreDown", "InboxRefusing", "InboxDiskLow", "InboxStoreFullSoon", "InboxStoreReopened", "InboxStoreLogLong", "InboxClockOff", "InboxMemberGone", "InboxStandbyGone", "InboxSnapshotOld", "InboxRouteHeld", "InboxRouteSlowed",
		"InboxOldestWaiting", "InboxDeadLetters", "InboxSignatureFailures", "InboxQuarantineGrows", "InboxNoEvents", "InboxOldSecretUnused",
	} {
		if !seen[name] {
			t.Errorf("there is no alert %s", name)
		}
	}
}

// The reasons that the alert on signatures looks for are those that exist.
func TestMonitoringSignatureReasons(t *testing.T) {
	t.Parallel()
	for _, why := range []string{"signature_missing", "signature_malformed", "signature_mismatch"} {
		if !slices.Contains(caddymodule.RejectReasons(), why) {
			t.Errorf("no request is rejected for %s", why)
		}
	}
}

func TestMonitoringDashboard(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(monitoring, "grafana-dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID          int
			Type, Title string
			Targets     []struct{ Expr, LegendFormat string }
			GridPos     struct{ H, W, X, Y int }
		}
	}
	if err := json.Unmarshal(raw, &board); err != nil {
		t.Fatal(err)
	}
	ids, rows, shown := make(map[int]bool), 0, make(map[string]bool)
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q has no id or title of its own", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			rows++
			continue
		}
		if len(p.Targets) == 0 || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q shows nothing, or lies outside", p.Title)
		}
		for _, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m").Replace(target.Expr)
			labels := checkExpression(t, expr)
			for _, l := range legendLabel.FindAllStringSubmatch(target.LegendFormat, -1) {
				if !slices.Contains(labels, l[1]) {
					t.Errorf("panel %q shows a label that it has not: %s", p.Title, l[1])
				}
			}
			for _, name := range metricName.FindAllString(expr, -1) {
				shown[strings.TrimSuffix(name, "_bucket")] = true
			}
		}
	}
	if rows < 3 {
		t.Errorf("the panels stand in %d rows", rows)
	}
	for name := range caddymodule.MetricNames() {
		if !shown[name] && name != "inbox_store_used_ratio" && name != "inbox_secret_valid" {
			t.Errorf("no panel of examples/monitoring/grafana-dashboard.json shows %s: add a target", name)
		}
	}
}

// The scrape has the job that the alerts know.
func TestMonitoringPrometheus(t *testing.T) {
	t.Parallel()
	var file struct {
		RuleFiles []string `yaml:"rule_files"`
		Scrape    []struct {
			Job string `yaml:"job_name"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "prometheus.yml", &file)
	if len(file.Scrape) != 1 || file.Scrape[0].Job != "inboxgate" || !slices.Equal(file.RuleFiles, []string{"alerts.yaml"}) {
		t.Errorf("%+v", file)
	}
}

func readYAML(t *testing.T, name string, v any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(monitoring, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// The check itself sees what it is for.
func TestMonitoringCheckSees(t *testing.T) {
	t.Parallel()
	all := caddymodule.MetricNames()
	if got := all["inbox_requests_total"]; !slices.Equal(got, []string{"source", "result", "reason"}) {
		t.Errorf("labels of inbox_requests_total: %q", got)
	}
	if _, ok := all["inbox_requests"]; ok || len(all) < 30 {
		t.Errorf("%d metrics: %v", len(all), all)
	}
}
