package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/env"
)

var variableName = regexp.MustCompile(`\bINBOX_[A-Z]+(_[A-Z]+)*\b`)

// Every variable that a document or an example names is one that somebody reads.
func TestDocumentsNameVariablesThatExist(t *testing.T) {
	t.Parallel()
	known := []string{
		env.APIURL, env.APIKey, env.APIKeyFile,
		"INBOX_WEBHOOK_SECRET_OLD", // What Caddyfile.example calls it; any name would do.
	}
	for _, v := range variables(t) {
		known = append(known, v.name)
	}
	found := 0
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range variableName.FindAllString(string(text), -1) {
			found++
			if !slices.Contains(known, name) {
				t.Errorf("%s names %s, which nobody reads", path, name)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d variables found", found)
	}
}

// documents are what users read and copy.
func documents(t *testing.T) (paths []string) {
	t.Helper()
	paths = []string{"../../README.md", "../../CHANGELOG.md", "../../Caddyfile.example", "../../sidecar/Dockerfile"}
	for _, dir := range []string{"../../docs", "../../examples"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			if err == nil && !d.IsDir() && !strings.HasSuffix(path, ".json") {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)

// Every link to a file of the repository leads to one.
func TestDocumentsLinkToWhatExists(t *testing.T) {
	t.Parallel()
	found := 0
	for _, path := range documents(t) {
		if !strings.HasSuffix(path, ".md") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			found++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d links found", found)
	}
}

// Every target of make that a document names is in the Makefile, and CONTRIBUTING.md
// names only files that exist.
func TestDocumentsNameTargetsThatExist(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	const contributing, architecture = "../../CONTRIBUTING.md", "../../docs/architecture.md"
	for _, path := range append(documents(t), contributing) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?m)(?:`|^ {4})make ([a-z][a-z0-9-]*)").FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s names make %s, which is not in the Makefile", path, m[1])
			}
		}
		if path != contributing && path != architecture {
			continue
		}
		found := 0
		for _, m := range regexp.MustCompile("`((?:docs|internal|caddymodule)/[a-z0-9/_.]+)`").FindAllStringSubmatch(string(text), -1) {
			found++
			if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		if found < 10 {
			t.Errorf("only %d files found", found)
		}
	}
}

// Every alert has a section that tells what to do, and no section is of an
// alert that is gone.
func TestEveryAlertIsExplained(t *testing.T) {
	t.Parallel()
	named := func(path, pattern string) (names []string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
		slices.Sort(names)
		return names
	}
	alerts := named("../../examples/monitoring/alerts.yaml", `(?m)^ +- alert: (\w+)$`)
	sections := named("../../docs/operating.md", `(?m)^### (Inbox\w+)$`)
	if len(alerts) == 0 || !slices.Equal(alerts, sections) {
		t.Errorf("the alerts are %q, docs/operating.md explains %q", alerts, sections)
	}
}

// A metric that a document names exists.
func TestDocumentsNameMetricsThatExist(t *testing.T) {
	t.Parallel()
	known := []string{"inbox_webhook", "inbox_health", "inbox_admin", "inbox_dashboard", "inbox_in_turn", "inbox_rejected", "inbox_route_held", "inbox_route_resumed", "inbox_dead_letter", "inbox_disk_low"}
	for _, m := range readSource(t, "../../internal/metrics").metrics() {
		known = append(known, m.name)
	}
	for _, path := range []string{"../../README.md", "../../docs/operating.md", "../../docs/security.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\binbox_[a-z_]+`).FindAllString(string(text), -1) {
			if !slices.Contains(known, name) {
				t.Errorf("%s names %s, which does not exist", path, name)
			}
		}
	}
}
