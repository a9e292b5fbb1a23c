package compose_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestCluster reads ../cluster: two inboxgates that differ in their names alone, a
// database that keeps what it has, and a balancer that knows both.
func TestCluster(t *testing.T) {
	t.Parallel()
	got := read(t, "../cluster/compose.yaml")
	balancer, err := os.ReadFile("../cluster/haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	_, volume := got.Volumes["database"]
	database, app := got.Services["database"], got.Services["app"]
	for what, ok := range map[string]bool{
		"services": len(got.Services) == 5,
		"ports":    slices.Equal(got.Services["balancer"].Ports, []string{"8080:8080"}) && len(database.Ports) == 0 && len(app.Ports) == 0,
		"volume":   volume && slices.Equal(database.Volumes, []string{"database:/var/lib/postgresql/data"}),
		"health":   slices.Equal(got.Common.Healthcheck.Test, []string{"CMD", "/inboxgate", "health"}),
		"grace":    got.Common.StopGracePeriod == "30s",
	} {
		if !ok {
			t.Errorf("wrong %s: %+v", what, got)
		}
	}
	for _, name := range []string{"inboxgate-1", "inboxgate-2"} {
		gate := got.Services[name]
		for what, ok := range map[string]bool{
			"name":     gate.Hostname == name,
			"image":    gate.Image == "inboxgate:latest",
			"ports":    len(gate.Ports) == 0 && slices.Equal(gate.Expose, []string{"8080", "9180"}),
			"volumes":  len(gate.Volumes) == 0, // What waits is in the database.
			"upstream": gate.Environment["INBOX_UPSTREAM"] == "app:8080",
			"database": gate.Environment["INBOX_DATABASE_URL_FILE"] == "/run/secrets/database_url" && gate.Environment["INBOX_DATABASE_URL"] == "",
			"order":    slices.Contains(gate.DependsOn, "database"),
			"balancer": strings.Contains(string(balancer), " "+name+":8080\n"),
		} {
			if !ok {
				t.Errorf("%s: wrong %s: %+v", name, what, gate)
			}
		}
	}
	for name, s := range got.Services {
		if closed := s.ReadOnly && slices.Equal(s.CapDrop, []string{"ALL"}) && slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}); closed == (name == "database") {
			t.Errorf("closed is %t of %s", closed, name)
		}
		if s.Restart != "unless-stopped" {
			t.Errorf("%s does not come back", name)
		}
		for _, secret := range s.Secrets {
			if got.Secrets[secret].File != "./"+secret {
				t.Errorf("%s: secret %s has no file", name, secret)
			}
			if !slices.Contains(values(s.Environment), "/run/secrets/"+secret) {
				t.Errorf("%s does not read %s", name, secret)
			}
		}
	}
	if _, err := os.Stat(app.Build.Context + "/" + app.Build.Dockerfile); err != nil {
		t.Error(err)
	}
}

func values(of map[string]string) (all []string) {
	for _, v := range of {
		all = append(all, v)
	}
	return all
}
