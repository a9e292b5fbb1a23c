package containers_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// password is the database's.
const password = "the-password-of-the-database"

// TestCluster runs ../cluster: copies of one event through the balancer are accepted
// once whichever inboxgate gets them, and what one of them had taken when it was
// killed is delivered by the other.
func TestCluster(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds images")
	}
	proctest.Needs(t, "haproxy", "ldd")
	e := newEngine(t)
	e.buildGate()
	e.buildHAProxy()
	e.buildPostgres()
	c := e.startCluster()

	first, body := e.sample()
	e.through(c.listen, body, "accepted")
	e.copies(c.listen)
	e.await(c.name+"_app_1", first)

	// The first takes what the app cannot have yet, and is killed with it.
	c.run("stop", "app")
	e.do("podman", "stop", "--time", "30", c.name+"_inboxgate-2_1")
	second, waiting := e.sample()
	e.through(c.listen, waiting, "accepted")
	e.do("podman", "kill", "--signal", "KILL", c.name+"_inboxgate-1_1")
	e.do("podman", "start", c.name+"_inboxgate-2_1")
	e.do("podman", "start", c.name+"_app_1")
	e.await(c.name+"_app_1", second)
	e.through(c.listen, body, "duplicate")
	e.through(c.listen, waiting, "duplicate")
	members := e.do("podman", "exec", c.name+"_inboxgate-2_1", "/inboxgate", "store", "members")
	for _, name := range []string{"inboxgate-1", "inboxgate-2"} {
		if !strings.Contains(members, name) {
			t.Errorf("%s is no member:\n%s", name, members)
		}
	}
	if shown := e.do("podman", "logs", c.name+"_inboxgate-2_1"); strings.Contains(shown, password) {
		t.Error("the password of the database is in the log")
	}
	c.run("down", "--volumes")
}

// cluster is the running example.
type cluster struct {
	listen, name string
	run          func(args ...string)
}

// startCluster runs the compose file, with another port and none of its builds.
func (e engine) startCluster() cluster {
	e.t.Helper()
	c := cluster{listen: proctest.FreeAddress(e.t), name: e.network("compose")}
	text, err := os.ReadFile("../cluster/compose.yaml")
	if err != nil {
		e.t.Fatal(err)
	}
	balancer, err := os.ReadFile("../cluster/haproxy.cfg")
	if err != nil {
		e.t.Fatal(err)
	}
	file := e.write("compose.yaml", strings.Replace(string(text), `"8080:8080"`, fmt.Sprintf("%q", c.listen+":8080"), 1))
	e.write("haproxy.cfg", string(balancer))
	e.write("webhook_secret", secret)
	e.write("database_password", password)
	// As the README has it made.
	e.write("database_url", "postgres://inboxgate:"+password+"@database/inboxgate\n")
	e.buildApp(c.name+"_app", "../goapp")
	c.run = func(args ...string) {
		e.t.Helper()
		e.do("podman-compose", append([]string{"--project-name", c.name, "--file", file}, args...)...)
	}
	c.run("up", "--detach", "--no-build")
	for _, name := range []string{"_inboxgate-1_1", "_inboxgate-2_1"} {
		e.ready(c.name + name)
	}
	return c
}

// ready waits until an inboxgate takes events, and the balancer can know it.
func (e engine) ready(container string) {
	e.t.Helper()
	for end := time.Now().Add(proctest.Patience); ; {
		cmd := exec.CommandContext(e.t.Context(), "podman", "exec", container, "/inboxgate", "health", "--ready")
		cmd.Env = e.env
		out, err := cmd.CombinedOutput()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			e.t.Fatalf("%s is not ready: %v\n%s", container, err, out)
		}
	}
}

// through posts an event by the balancer, and again while that says that it has
// nobody to send it to.
func (e engine) through(listen string, body []byte, want string) {
	e.t.Helper()
	got := ""
	for end := time.Now().Add(proctest.Patience); time.Now().Before(end); {
		if got = e.post(listen, secret, body); got == "200 "+want {
			return
		}
		if got != "503 " && !strings.Contains(got, "connection re") {
			break
		}
	}
	e.t.Fatalf("got %s, want 200 %s", got, want)
}

// copies sends one event many times at once; the balancer gives them to both.
func (e engine) copies(listen string) {
	e.t.Helper()
	_, body := e.sample()
	results := make(chan string, 10)
	for range cap(results) {
		go func() { results <- e.post(listen, secret, body) }()
	}
	got := map[string]int{}
	for range cap(results) {
		got[<-results]++
	}
	if got["200 accepted"] != 1 || got["200 duplicate"] != cap(results)-1 {
		e.t.Fatalf("%d copies: %v", cap(results), got)
	}
}

// buildHAProxy makes an image of the balancer of this machine, where the official
// one is looked for.
func (e engine) buildHAProxy() {
	e.t.Helper()
	dir := e.rooted("haproxy", "haproxy")
	file := e.write("haproxy.Dockerfile", "FROM scratch\nCOPY . /\nENV PATH=/usr/sbin:/usr/bin\nUSER 99:99\nENTRYPOINT [\"haproxy\", \"-W\", \"-db\", \"-f\", \"/usr/local/etc/haproxy/haproxy.cfg\"]\n")
	e.do("podman", "build", "--network=none", "--tag", "docker.io/library/haproxy:2.6", "--file", file, dir)
}

// startPostgres does of what the official image does all that the example asks for.
const startPostgres = `#!/bin/sh
set -eu
export PGDATA=/var/lib/postgresql/data/pgdata
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	initdb -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C
	echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
	echo "CREATE DATABASE $POSTGRES_USER" | postgres --single -D "$PGDATA" postgres
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories=
`

// buildPostgres makes an image of the newest PostgreSQL of this machine.
func (e engine) buildPostgres() {
	e.t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		proctest.Needs(e.t, "postgres") // Debian's is not in the PATH: this fails or skips.
		found = []string{"/usr/local/bin/postgres"}
	}
	slices.Sort(found)
	home := filepath.Dir(filepath.Dir(found[len(found)-1])) // /usr/lib/postgresql/15
	version := filepath.Base(home)
	dir := e.rooted("postgres", filepath.Join(home, "bin/postgres"), filepath.Join(home, "bin/initdb"), "/bin/sh")
	for _, from := range []string{filepath.Join(home, "bin"), filepath.Join(home, "lib"), "/usr/share/postgresql/" + version, "/usr/share/zoneinfo"} {
		to := filepath.Join(dir, from)
		e.do("mkdir", "-p", filepath.Dir(to))
		e.do("cp", "--recursive", "--dereference", from, to)
	}
	for path, text := range map[string]string{
		"start":                        startPostgres,
		"etc/passwd":                   "postgres:x:999:999::/:/bin/sh\n",
		"tmp/.keep":                    "",
		"var/lib/postgresql/data/.new": "",
	} {
		path = filepath.Join(dir, path)
		e.do("mkdir", "-p", filepath.Dir(path))
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil { //nolint:gosec // A program.
			e.t.Fatal(err)
		}
	}
	file := e.write("postgres.Dockerfile", fmt.Sprintf("FROM scratch\nCOPY --chown=999:999 . /\nENV PATH=%s/bin:/usr/bin:/bin LC_ALL=C\nUSER 999:999\nSTOPSIGNAL SIGINT\nVOLUME /var/lib/postgresql/data\nENTRYPOINT [\"/start\"]\n", home))
	e.do("podman", "build", "--network=none", "--tag", "docker.io/library/postgres:15", "--file", file, dir)
}

// rooted copies programs of this machine into the root of an image to be, with what
// they are linked to.
func (e engine) rooted(name string, programs ...string) (dir string) {
	e.t.Helper()
	dir = filepath.Join(e.dir, name)
	for _, program := range programs {
		path, err := exec.LookPath(program)
		if err != nil {
			e.t.Fatal(err)
		}
		for _, file := range append(strings.Fields(e.do("ldd", path)), path) {
			if strings.HasPrefix(file, "/") {
				to := filepath.Join(dir, file)
				e.do("mkdir", "-p", filepath.Dir(to))
				e.do("cp", "--dereference", file, to)
			}
		}
	}
	e.do("chmod", "--recursive", "a+rX", dir)
	return dir
}
