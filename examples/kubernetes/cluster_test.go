package kubernetes_test

import "testing"

// TestCluster reads what ../cluster runs on several nodes: no two of a kind on one
// node, nothing kept outside the database, and a database that answers only when a
// standby has it too.
func TestCluster(t *testing.T) {
	t.Parallel()
	all := read(t, "../cluster/kubernetes.yaml")
	d := one(t, all, "Deployment")
	pod := d.Spec.Template.Spec
	gate := pod.Containers[0]
	checkGate(t, pod, gate)
	checkService(t, d, one(t, all, "Service"))
	label := "app.kubernetes.io/name"
	surge, missing := d.Spec.Strategy.RollingUpdate.MaxSurge, d.Spec.Strategy.RollingUpdate.MaxUnavailable
	apart := pod.Affinity.Apart.Required
	budget := one(t, all, "PodDisruptionBudget")
	matched, _ := budget.Spec.Selector["matchLabels"].(map[string]any)
	for what, ok := range map[string]bool{
		"replicas": d.APIVersion == "apps/v1" && d.Spec.Replicas == 3,
		// With a pod more than nodes an update would never end.
		"update": d.Spec.Strategy.Type == "RollingUpdate" && surge != nil && *surge == 0 && missing != nil && *missing == 1,
		"apart": len(apart) == 1 && apart[0].Topology == "kubernetes.io/hostname" &&
			apart[0].Labels.Match[label] == d.Spec.Template.Metadata.Labels[label],
		"budget": budget.APIVersion == "policy/v1" && budget.Spec.MaxUnavailable == 1 && matched[label] == d.Spec.Template.Metadata.Labels[label],
		"stop":   gate.Lifecycle.PreStop.Sleep.Seconds > 0 && pod.Grace >= gate.Lifecycle.PreStop.Sleep.Seconds+30,
		"start":  gate.StartupProbe.Period*gate.StartupProbe.Failure > 30, // It waits so long for the database.
		"TLS":    gate.env("PGSSLMODE") == "verify-full",
		"waits":  gate.env("INBOX_DATABASE_DURABILITY") == "replica" && gate.env("INBOX_DATABASE_URL") == "",
	} {
		if !ok {
			t.Errorf("wrong %s: %+v", what, d.Spec)
		}
	}
	db := one(t, all, "Cluster")
	if sync := db.Spec.PostgreSQL.Synchronous; db.APIVersion != "postgresql.cnpg.io/v1" || db.Spec.Instances != 3 ||
		sync.Method != "any" || sync.Number != 1 || sync.DataDurability != "required" || !sync.FailoverQuorum {
		t.Errorf("a standby may lack what was answered 200: %+v", db.Spec.database)
	}
	if a := db.Spec.Affinity; !a.Enable || a.Type != "required" || a.Topology != "kubernetes.io/hostname" {
		t.Errorf("two instances of the database may be on one node: %+v", a)
	}
	checkClusterFiles(t, pod, db)
}

// checkClusterFiles compares the paths in the environment with what is mounted, and
// with the Secrets that CloudNativePG names after its Cluster.
func checkClusterFiles(t *testing.T, pod podSpec, db object) {
	t.Helper()
	gate := pod.Containers[0]
	mounted := map[string]string{} // The path of each key.
	for _, m := range gate.VolumeMounts {
		for _, v := range pod.Volumes {
			if v.Name != m.Name {
				continue
			}
			if m.Name != "data" && !m.ReadOnly {
				t.Errorf("%s may be written", m.Name)
			}
			if v.Name == "data" && v.EmptyDir == nil {
				t.Errorf("the data directory keeps something: %+v", v)
			}
			for _, s := range v.Projected.Sources {
				for _, item := range s.Secret.Items {
					mounted[s.Secret.Name+" "+item.Key] = m.MountPath + "/" + item.Path
				}
			}
		}
	}
	name := db.Metadata.Name
	if url := mounted[name+"-app uri"]; url == "" || gate.env("INBOX_DATABASE_URL_FILE") != url {
		t.Errorf("the URL of the database is at %q, read from %q", url, gate.env("INBOX_DATABASE_URL_FILE"))
	}
	if ca := mounted[name+"-ca ca.crt"]; ca == "" || gate.env("PGSSLROOTCERT") != ca {
		t.Errorf("the database's authority is at %q, read from %q", ca, gate.env("PGSSLROOTCERT"))
	}
	if len(mounted) != 2 {
		t.Errorf("mounted: %q", mounted)
	}
}
