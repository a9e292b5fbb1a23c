// Package compose_test reads the example as an engine would.
package compose_test

import (
	"os"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
)

// file is what matters of a compose file, in the words of its specification.
type file struct {
	Name     string
	Common   service `yaml:"x-inboxgate"` // What services have in common.
	Services map[string]service
	Volumes  map[string]struct{}
	Secrets  map[string]struct{ File string }
}

type service struct {
	Image           string
	Build           struct{ Context, Dockerfile string }
	Environment     map[string]string
	Secrets, Ports  []string
	Expose, Volumes []string
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	Healthcheck     struct {
		Test              []string
		Interval, Timeout string
		StartPeriod       string `yaml:"start_period"`
	}
	StopGracePeriod string `yaml:"stop_grace_period"`
	Restart         string
	Hostname        string
	DependsOn       []string `yaml:"depends_on"`
}

func read(t *testing.T, path string) (got file) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true) // A word that is not above is a slip of the pen.
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestCompose(t *testing.T) {
	t.Parallel()
	got := read(t, "compose.yaml")
	gate, app := got.Services["inboxgate"], got.Services["app"]
	_, volume := got.Volumes["events"]
	for what, ok := range map[string]bool{
		"image":        gate.Image == "inboxgate:latest",
		"port":         slices.Equal(gate.Ports, []string{"8080:8080"}),
		"ops port":     slices.Equal(gate.Expose, []string{"9180"}),
		"volume":       volume && slices.Equal(gate.Volumes, []string{"events:/data"}),
		"health":       slices.Equal(gate.Healthcheck.Test, []string{"CMD", "/inboxgate", "health"}),
		"grace":        gate.StopGracePeriod == "30s",
		"upstream":     gate.Environment["INBOX_UPSTREAM"] == "app:8080",
		"no app ports": len(app.Ports) == 0,
		"restart":      gate.Restart == "unless-stopped",
	} {
		if !ok {
			t.Errorf("wrong %s: %+v", what, got)
		}
	}
	for name, s := range got.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s is not closed: %+v", name, s)
		}
		for _, secret := range s.Secrets {
			if got.Secrets[secret].File == "" {
				t.Errorf("%s: secret %s has no file", name, secret)
			}
			if path := "/run/secrets/" + secret; s.Environment["INBOX_WEBHOOK_SECRET_FILE"] != path {
				t.Errorf("%s does not read %s", name, path)
			}
		}
		if s.Environment["INBOX_WEBHOOK_SECRET"] != "" {
			t.Errorf("%s has its secret in the environment", name)
		}
	}
	if _, err := os.Stat(app.Build.Context + "/" + app.Build.Dockerfile); err != nil {
		t.Error(err)
	}
}
