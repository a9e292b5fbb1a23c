// Package containers_test runs the examples that are made of containers.
package containers_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/verify"
)

const (
	secret  = "a secret of the containers"
	started = "serving initial configuration"
)

// engine is podman with a storage of its own, so that an inboxgate:latest of
// this machine is neither used nor replaced.
type engine struct {
	t *testing.T
	// name begins the name of each network, which all storages share.
	name, dir string
	env       []string
}

// newEngine skips where containers cannot be run, and fails there in CI.
func newEngine(t *testing.T) engine {
	t.Helper()
	proctest.Needs(t, "podman", "podman-compose", "catatonit", "runc", "make", "root")
	e := engine{t: t, name: fmt.Sprintf("inboxgate-%s-%d", strings.ToLower(t.Name()), os.Getpid()), dir: t.TempDir()}
	conf, err := filepath.Abs("../../.ci/containers.conf")
	if err != nil {
		t.Fatal(err)
	}
	storage := e.write("storage.conf", fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n",
		filepath.Join(e.dir, "graph"), filepath.Join(e.dir, "run")))
	e.env = append(os.Environ(), "CONTAINERS_CONF="+conf, "CONTAINERS_STORAGE_CONF="+storage)
	t.Cleanup(e.remove)
	return e
}

// remove leaves nothing behind, whatever has failed before.
func (e engine) remove() {
	for _, command := range []string{
		"podman pod rm --all --force --time 0",
		"podman rm --all --force --time 0",
		"podman volume rm --all --force",
		"podman network rm --force " + e.network("compose") + "_default " + e.network("kube"),
		"podman rmi --all --force",
	} {
		words := strings.Fields(command)
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Env = e.env
		if out, err := cmd.CombinedOutput(); err != nil && e.t.Failed() {
			e.t.Logf("%s: %s", command, out)
		}
	}
	// The driver may keep its directory mounted, which then cannot be removed.
	_ = exec.Command("umount", filepath.Join(e.dir, "graph", "overlay")).Run()
}

func (e engine) network(of string) string { return e.name + "-" + of }

func (e engine) write(name, text string) (path string) {
	e.t.Helper()
	path = filepath.Join(e.dir, name)
	// Users of containers read it; the directory is closed to others.
	if err := os.WriteFile(path, []byte(text), 0o444); err != nil {
		e.t.Fatal(err)
	}
	return path
}

// do runs a program and returns what it wrote to its standard output.
func (e engine) do(program string, args ...string) string {
	e.t.Helper()
	cmd := exec.CommandContext(e.t.Context(), program, args...)
	cmd.Env = append(e.env, "CGO_ENABLED=0")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		e.t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, out, said.String())
	}
	return string(out)
}

// buildGate makes inboxgate:latest as the READMEs of the examples say.
func (e engine) buildGate() {
	e.t.Helper()
	e.do("make", "-C", "../..", "image", "ENGINE=podman", "IMAGE_DIR="+filepath.Join(e.dir, "image"))
}

// buildApp makes an image of one program. The Dockerfile of an app pulls a
// compiler, which is not there without a network.
func (e engine) buildApp(tag, source string) {
	e.t.Helper()
	dir := filepath.Join(e.dir, tag)
	e.do("go", "build", "-trimpath", "-o", filepath.Join(dir, "app"), source)
	file := e.write(tag+".Dockerfile", "FROM scratch\nCOPY app /app\nUSER 65532:65532\nENTRYPOINT [\"/app\"]\n")
	e.do("podman", "build", "--network=none", "--tag", tag, "--file", file, dir)
}

// await waits until a container has written text.
func (e engine) await(container, text string) {
	e.t.Helper()
	cmd := exec.Command("podman", "logs", "--follow", container)
	cmd.Env = e.env
	proctest.Start(e.t, cmd).Await(e.t, text, 1)
}

// sample is a new event, as the platform sends it.
func (e engine) sample() (id string, body []byte) {
	e.t.Helper()
	made, err := event.Sample(event.TypeMessageFailed, time.Now(), nil)
	if err != nil {
		e.t.Fatal(err)
	}
	if body, err = made.Marshal(); err != nil {
		e.t.Fatal(err)
	}
	return made.ID, body
}

// send posts an event as the platform does, and wants 200 with a result.
func (e engine) send(listen, secret string, body []byte, want string) {
	e.t.Helper()
	if got := e.post(listen, secret, body); got != "200 "+want {
		e.t.Fatalf("got %s, want 200 %s", got, want)
	}
}

// post posts an event and returns status and result, or the error.
func (e engine) post(listen, secret string, body []byte) string {
	req, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, "http://"+listen+"/webhooks/inbox", bytes.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Close = true // The next container has the same address.
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(verify.Header, verify.Sign([]byte(secret), body))
	res, err := (&http.Client{Timeout: proctest.Patience}).Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	return fmt.Sprintf("%d %s", res.StatusCode, res.Header.Get("X-Inbox-Result"))
}
