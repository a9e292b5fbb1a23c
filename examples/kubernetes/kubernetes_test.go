// Package kubernetes_test reads the manifests as the API server would.
package kubernetes_test

import (
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
)

func read(t *testing.T, name string) (all []object) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true) // A word that is not in object is a slip of the pen.
	for {
		var o object
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, o)
	}
}

func one(t *testing.T, all []object, kind string) object {
	t.Helper()
	for _, o := range all {
		if o.Kind == kind {
			return o
		}
	}
	t.Fatalf("no %s", kind)
	return object{}
}

func TestSidecar(t *testing.T) {
	t.Parallel()
	all := read(t, "sidecar.yaml")
	d := one(t, all, "Deployment")
	pod := d.Spec.Template.Spec
	if d.APIVersion != "apps/v1" || d.Spec.Replicas != 1 || d.Spec.Strategy.Type != "Recreate" {
		t.Errorf("one store needs one pod at a time: %+v", d.Spec)
	}
	gate := pod.InitContainers[0]
	if gate.RestartPolicy != "Always" {
		t.Error("not a native sidecar: restartPolicy is not Always")
	}
	checkGate(t, pod, gate)
	if app := pod.Containers[0]; app.ReadinessProbe != nil || gate.env("INBOX_UPSTREAM") != "127.0.0.1:"+app.env("PORT") {
		t.Errorf("the app: %+v", app)
	}
	claim := one(t, all, "PersistentVolumeClaim")
	if !slices.ContainsFunc(pod.Volumes, func(v volume) bool { return v.Name == "data" && v.Claim.ClaimName == claim.Metadata.Name }) {
		t.Errorf("the claim is not mounted: %+v", pod.Volumes)
	}
	checkService(t, d, one(t, all, "Service"))
}

func TestStatefulSet(t *testing.T) {
	t.Parallel()
	all := read(t, "statefulset.yaml")
	s := one(t, all, "StatefulSet")
	pod := s.Spec.Template.Spec
	if s.APIVersion != "apps/v1" || s.Spec.Replicas != 1 {
		t.Errorf("one store needs one pod: %+v", s.Spec)
	}
	checkGate(t, pod, pod.Containers[0])
	if len(s.Spec.Claims) != 1 || s.Spec.Claims[0].Metadata.Name != "data" {
		t.Errorf("claims: %+v", s.Spec.Claims)
	}
	service := one(t, all, "Service")
	if service.Metadata.Name != s.Spec.ServiceName {
		t.Errorf("the service is %s, the set names %s", service.Metadata.Name, s.Spec.ServiceName)
	}
	checkService(t, s, service)
}

func checkGate(t *testing.T, pod podSpec, gate container) {
	t.Helper()
	for name, p := range map[string]*probe{"startup": gate.StartupProbe, "liveness": gate.LivenessProbe, "readiness": gate.ReadinessProbe} {
		want := "/healthz"
		if name == "readiness" {
			want = "/readyz"
		}
		if p == nil || p.HTTPGet.Path != want || p.HTTPGet.Port != "ops" {
			t.Errorf("%s probe: %+v", name, p)
		}
	}
	ports := map[string]int{}
	for _, p := range gate.Ports {
		ports[p.Name] = p.ContainerPort
	}
	mounts := map[string]string{}
	for _, m := range gate.VolumeMounts {
		mounts[m.Name] = m.MountPath
	}
	for what, ok := range map[string]bool{
		"image":        gate.Image == "inboxgate:latest",
		"ports":        ports["webhooks"] == 8080 && ports["ops"] == 9180 && len(ports) == 2,
		"data":         mounts["data"] == "/data",
		"secret":       gate.env("INBOX_WEBHOOK_SECRET_FILE") == mounts["secret"]+"/webhook" && gate.env("INBOX_WEBHOOK_SECRET") == "",
		"read-only":    gate.Security.ReadOnly && !*gate.Security.Escalation,
		"capabilities": slices.Equal(gate.Security.Capabilities.Drop, []string{"ALL"}),
		"user":         pod.Security.NonRoot && pod.Security.User == 65532 && pod.Security.FSGroup == 65532,
		"change":       pod.Security.ChangePolicy == "OnRootMismatch",
		"seccomp":      pod.Security.Seccomp.Type == "RuntimeDefault",
		"grace":        pod.Grace >= 30,
	} {
		if !ok {
			t.Errorf("wrong %s: %+v", what, gate)
		}
	}
}

func checkService(t *testing.T, workload, s object) {
	t.Helper()
	label := "app.kubernetes.io/name"
	if v := s.Spec.Selector[label]; v == nil || v != workload.Spec.Template.Metadata.Labels[label] {
		t.Errorf("the service selects %v", s.Spec.Selector)
	}
	if len(s.Spec.Ports) != 1 || s.Spec.Ports[0].TargetPort != "webhooks" {
		t.Errorf("the service has the ports %+v, only webhooks wanted", s.Spec.Ports)
	}
}
