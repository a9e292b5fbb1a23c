package containers_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// TestContainers builds the image once and runs what ../compose and
// ../kubernetes describe.
func TestContainers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds an image")
	}
	e := newEngine(t)
	e.buildGate()
	e.compose()
	e.kubernetes()
}

// compose runs the stack with the Go app. What was said 200 to is known and
// delivered after both containers are gone, because the volume stays.
func (e engine) compose() {
	listen := proctest.FreeAddress(e.t)
	text, err := os.ReadFile("../compose/compose.yaml")
	if err != nil {
		e.t.Fatal(err)
	}
	// The port of the example may be taken on this machine.
	file := e.write("compose.yaml", strings.Replace(string(text), `"8080:8080"`, fmt.Sprintf("%q", listen+":8080"), 1))
	e.write("webhook_secret", secret)
	project := e.network("compose")
	// The name that Compose gives to what it builds, so that it is not built.
	e.buildApp(project+"_app", "../goapp")
	run := func(args ...string) {
		e.t.Helper()
		e.do("podman-compose", append([]string{"--project-name", project, "--file", file}, args...)...)
	}
	up := func() {
		e.t.Helper()
		run("up", "--detach", "--no-build")
		e.await(project+"_inboxgate_1", started)
		e.do("podman", "exec", project+"_inboxgate_1", "/inboxgate", "health", "--ready")
	}

	up()
	first, body := e.sample()
	e.send(listen, secret, body, "accepted")
	e.await(project+"_app_1", first)
	run("stop", "app")
	second, waiting := e.sample()
	e.send(listen, secret, waiting, "accepted")
	e.do("podman", "kill", "--signal", "KILL", project+"_inboxgate_1")
	run("down")
	up()
	e.send(listen, secret, body, "duplicate")
	e.send(listen, secret, waiting, "duplicate")
	e.await(project+"_app_1", second)
	run("down", "--volumes")
}

// kubernetes plays the pod of inboxgate beside an app, twice with one claim.
// That the sidecar is up first and goes last is not seen here: see manifests.
func (e engine) kubernetes() {
	e.buildApp("app", "../../internal/e2e/testdata/receiver")
	listen := proctest.FreeAddress(e.t)
	encoded := base64.StdEncoding.EncodeToString([]byte(secret))
	mounted := secret
	if strings.HasPrefix(e.do("podman", "version", "--format", "{{.Client.Version}}"), "4.3.") {
		mounted = encoded // It mounts a secret as the manifest has it.
	}
	claim, pod := e.manifests(listen, mounted)
	network := e.network("kube")
	e.do("podman", "network", "create", network)
	// As `kubectl create secret` makes it.
	e.do("podman", "kube", "play", "--network", network, e.write("secret.yaml",
		"apiVersion: v1\nkind: Secret\nmetadata:\n  name: inboxgate-secret\ndata:\n  webhook: "+encoded+"\n"))
	e.do("podman", "kube", "play", "--network", network, claim)
	var body []byte
	for i, result := range []string{"accepted", "duplicate"} {
		e.do("podman", "kube", "play", "--network", network, pod)
		e.await("app-inboxgate", started)
		e.do("podman", "exec", "app-inboxgate", "/inboxgate", "health", "--ready")
		if i == 0 {
			_, body = e.sample()
		}
		e.send(listen, mounted, body, result)
		id, next := e.sample()
		e.send(listen, mounted, next, "accepted")
		e.await("app-app", id)
		e.do("podman", "kube", "down", pod)
	}
}

// manifests takes from sidecar.yaml what podman can play.
func (e engine) manifests(listen, mounted string) (claim, pod string) {
	e.t.Helper()
	text, err := os.ReadFile("../kubernetes/sidecar.yaml")
	if err != nil {
		e.t.Fatal(err)
	}
	parts := bytes.Split(text, []byte("\n---\n"))
	if len(parts) != 3 {
		e.t.Fatalf("%d objects", len(parts))
	}
	var d map[string]any
	if err := yaml.Unmarshal(parts[1], &d); err != nil {
		e.t.Fatal(err)
	}
	template := d["spec"].(map[string]any)["template"].(map[string]any)
	// Versions of podman name the pod of a Deployment differently.
	template["apiVersion"], template["kind"] = "v1", "Pod"
	template["metadata"].(map[string]any)["name"] = "app"
	spec := template["spec"].(map[string]any)
	gate := spec["initContainers"].([]any)[0].(map[string]any)
	app := spec["containers"].([]any)[0].(map[string]any)
	// An init container of podman must end before the app starts: it knows no
	// native sidecars.
	delete(spec, "initContainers")
	delete(gate, "restartPolicy")
	spec["containers"] = []any{gate, app}
	for _, c := range []map[string]any{gate, app} {
		// It makes of a probe a command with curl or nc in the container.
		for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
			delete(c, probe)
		}
		c["imagePullPolicy"] = "Never"
	}
	// It publishes every port of the pod on this machine.
	for i, address := range []string{listen, proctest.FreeAddress(e.t)} {
		a := netip.MustParseAddrPort(address)
		p := gate["ports"].([]any)[i].(map[string]any)
		p["hostIP"], p["hostPort"] = a.Addr().String(), a.Port()
	}
	// podman 4.3 fails on a secret that does not say whether it is optional, and
	// makes of it a volume of its name, which is the name of the claim too.
	for _, v := range spec["volumes"].([]any) {
		if s, ok := v.(map[string]any)["secret"].(map[string]any); ok {
			s["optional"], s["secretName"] = false, "inboxgate-secret"
		}
	}
	app["image"] = "app:latest"
	app["env"] = append(app["env"].([]any), map[string]any{"name": "INBOX_WEBHOOK_SECRET", "value": mounted})
	out, err := yaml.Marshal(template)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.write("claim.yaml", string(parts[0])), e.write("pod.yaml", string(out))
}
