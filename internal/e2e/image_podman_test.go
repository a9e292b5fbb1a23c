package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// podman runs real containers on a network and a volume of their own.
type podman struct {
	t *testing.T
	// name begins the name of everything that this test makes.
	name string
	env  []string
}

// newPodman skips where containers cannot be run, and fails there in CI.
func newPodman(t *testing.T) podman {
	t.Helper()
	proctest.Needs(t, "podman", "runc", "make", "root") // Root for the networks of containers.
	conf, err := filepath.Abs("../../.ci/containers.conf")
	if err != nil {
		t.Fatal(err)
	}
	p := podman{t: t, name: fmt.Sprintf("inboxgate-test-%d", os.Getpid()), env: append(os.Environ(), "CONTAINERS_CONF="+conf)}
	t.Cleanup(p.remove)
	p.do("network", "create", p.name)
	p.do("volume", "create", p.name)
	return p
}

// remove leaves nothing behind, whatever has failed before.
func (p podman) remove() {
	for _, args := range [][]string{
		{"rm", "--force", "--time", "0", p.gate(), p.app(), p.express()},
		{"volume", "rm", "--force", p.name},
		{"network", "rm", "--force", p.name},
		{"rmi", "--force", p.image("one"), p.image("two"), p.app(), p.express()},
	} {
		cmd := exec.Command("podman", args...)
		cmd.Env = p.env
		if out, err := cmd.CombinedOutput(); err != nil && p.t.Failed() {
			p.t.Logf("podman %s: %s", args[0], out)
		}
	}
}

func (p podman) gate() string                { return p.name + "-gate" }
func (p podman) app() string                 { return p.name + "-app" }
func (p podman) express() string             { return p.name + "-express" }
func (p podman) image(version string) string { return p.name + ":" + version }

// do runs podman and returns what it wrote to its standard output.
func (p podman) do(args ...string) string {
	p.t.Helper()
	return p.in("", "podman", args...)
}

func (p podman) in(dir, program string, args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, p.env
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, out, said.String())
	}
	return strings.TrimSpace(string(out))
}

// attach runs podman for as long as a container runs, with its output. The
// end of this process is not the end of the container.
func (p podman) attach(args ...string) *proctest.Process {
	p.t.Helper()
	cmd := exec.Command("podman", args...)
	cmd.Env = p.env
	return proctest.Start(p.t, cmd)
}

// build makes an image of scratch and what is in dir.
func (p podman) build(tag, dir string, settings ...string) {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "Dockerfile")
	text := strings.Join(append([]string{"FROM scratch", "COPY . /"}, settings...), "\n") + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.do("build", "--network=none", "--tag", tag, "--file", file, dir)
}

// startApp runs the small receiver, which takes what is not for Express.
func (p podman) startApp() *proctest.Process {
	p.t.Helper()
	dir := p.t.TempDir()
	cmd := exec.CommandContext(p.t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(dir, "receiver"), "./testdata/receiver")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("building the receiver: %v\n%s", err, out)
	}
	p.build(p.app(), dir, "USER 65532:65532", `ENTRYPOINT ["/receiver"]`)
	app := p.attach("run", "--name", p.app(), "--network", p.name, "--read-only", "--env", "INBOX_WEBHOOK_SECRET="+newSecret, p.app())
	app.Await(p.t, "listening", 1)
	return app
}

// startExpress runs the receiver of the platform's documentation, with the
// Node of this machine and the libraries that it is linked to.
func (p podman) startExpress() *proctest.Process {
	p.t.Helper()
	proctest.Needs(p.t, "node", "npm", "ldd")
	dir := proctest.InstallExpress(p.t, expressExample)
	node, err := exec.LookPath("node")
	if err == nil {
		node, err = filepath.EvalSymlinks(node)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	for _, word := range append(strings.Fields(p.in("", "ldd", node)), node) {
		if strings.HasPrefix(word, "/") {
			to := filepath.Join(dir, word)
			p.in("", "mkdir", "-p", filepath.Dir(to))
			p.in("", "cp", "--dereference", word, to)
		}
	}
	p.in("", "chmod", "-R", "a+rX", dir)
	p.build(p.express(), dir, "USER 65532:65532", fmt.Sprintf("ENTRYPOINT [%q, %q]", node, "/server.js"))
	app := p.attach("run", "--name", p.express(), "--network", p.name, "--read-only",
		"--env", "INBOX_WEBHOOK_SECRET="+newSecret, "--env", "HOST=0.0.0.0", p.express())
	app.Await(p.t, "listening on", 1)
	return app
}

// runGate runs the image as its documentation says.
func (p podman) runGate(version, listen string) *proctest.Process {
	p.t.Helper()
	gate := p.attach("run", "--name", p.gate(), "--network", p.name, "--read-only", "--cap-drop", "all",
		"--security-opt", "no-new-privileges", "--volume", p.name+":/data", "--publish", listen+":8080",
		"--env", "INBOX_WEBHOOK_SECRET="+newSecret, "--env", "INBOX_UPSTREAM="+p.app()+":3000",
		"--env", "INBOX_UPSTREAM_MESSAGE_READ="+p.express()+":3000", p.image(version))
	gate.Await(p.t, started, 1)
	return gate
}

// again starts the stopped container.
func (p podman) again() *proctest.Process {
	p.t.Helper()
	gate := p.attach("start", "--attach", p.gate())
	gate.Await(p.t, started, 1)
	return gate
}

// inspect returns one field of a container or an image.
func (p podman) inspect(name, field string) string {
	p.t.Helper()
	return p.do("inspect", "--format", "{{"+field+"}}", name)
}

// resident is how many bytes of memory the main process of a container uses.
func (p podman) resident(name string) (kib int) {
	p.t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", p.inspect(name, ".State.Pid"), "status"))
	if err != nil {
		p.t.Fatal(err)
	}
	words := strings.Fields(string(status))
	i := slices.Index(words, "VmRSS:")
	if i < 0 {
		p.t.Fatalf("no VmRSS in %s", status)
	}
	if _, err := fmt.Sscan(words[i+1], &kib); err != nil {
		p.t.Fatal(err)
	}
	return kib
}
