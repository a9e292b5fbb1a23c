//go:build linux

package pgtest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// count returns how many rows table t has, of a cluster's database postgres.
func count(t *testing.T, c *Cluster) int {
	t.Helper()
	n, err := One[int](c, "postgres", "SELECT count(*)::int FROM t")
	ok(t, err)
	return n
}

func TestDatabasesOfTheSharedClusterAreApart(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	Shared(t)
	t.Logf("the shared cluster took %s", time.Since(begin))
	for _, name := range []string{"one", "two"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			dsn := Shared(t).Database(t)
			t.Logf("a database took %s", time.Since(begin))
			conn, err := pgx.Connect(t.Context(), dsn)
			ok(t, err)
			defer conn.Close(context.Background())
			_, err = conn.Exec(t.Context(), "CREATE TABLE t (a int)") // Fails where both are one.
			ok(t, err)
		})
	}
}

func TestKilledClusterKeepsCommittedRows(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	c := Start(t, Options{})
	t.Logf("a cluster took %s", time.Since(begin))
	ok(t, c.Exec("postgres", "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)"))

	open, err := pgx.Connect(t.Context(), c.SocketDSN("postgres"))
	ok(t, err)
	defer open.Close(context.Background())
	_, err = open.Exec(t.Context(), "BEGIN; INSERT INTO t VALUES (2)")
	ok(t, err)
	pid := c.pid
	children := childrenOf(pid)
	if len(children) < 4 {
		t.Fatalf("the server has %d children, want the background processes and a session", len(children))
	}

	begin = time.Now()
	ok(t, c.Kill())
	if c.Running() {
		t.Error("it runs after Kill")
	}
	for _, child := range children {
		if _, state := stat(child); state != "" && state != "Z" {
			t.Errorf("process %d of it is in state %s after Kill", child, state)
		}
	}
	if _, err := open.Exec(t.Context(), "COMMIT"); err == nil {
		t.Error("a session outlived Kill")
	}
	ok(t, c.Start())
	t.Logf("kill and start took %s", time.Since(begin))
	if n := count(t, c); n != 1 {
		t.Errorf("%d rows after Kill, want the committed one", n)
	}

	begin = time.Now()
	ok(t, c.Restart())
	t.Logf("a restart took %s", time.Since(begin))
	ok(t, c.StopImmediate())
	ok(t, c.Start())
	if n := count(t, c); n != 1 {
		t.Errorf("%d rows after two more ends, want 1", n)
	}
}

func TestKilledBackendIsACrashInPlace(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{NoSync: true})
	ok(t, c.Exec("postgres", "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)"))
	one, err := pgx.Connect(t.Context(), c.DSN("postgres"))
	ok(t, err)
	defer one.Close(context.Background())
	other, err := pgx.Connect(t.Context(), c.DSN("postgres"))
	ok(t, err)
	defer other.Close(context.Background())
	begin := time.Now()
	ok(t, c.KillBackend(int(one.PgConn().PID())))
	if _, err := other.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("the other session outlived the crash")
	}
	t.Logf("the crash took %s", time.Since(begin))
	if n := count(t, c); n != 1 {
		t.Errorf("%d rows after the crash, want 1", n)
	}
	if err := c.KillBackend(os.Getpid()); err == nil {
		t.Error("it would kill a process that is not the cluster's")
	}
}

// insert commits a row in the background and tells how it ended.
func insert(t *testing.T, c *Cluster, value int) <-chan error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.DSN("postgres"))
	ok(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "INSERT INTO t VALUES ($1)", value)
		done <- err
	}()
	return done
}

func TestPromotedStandbyHasWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	begin := time.Now()
	s := StartStandby(t, c, "s1")
	t.Logf("a standby took %s", time.Since(begin))
	begin = time.Now()
	ok(t, c.SetSynchronous("s1"))
	t.Logf("naming it took %s", time.Since(begin))
	ok(t, c.Exec("postgres", "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)"))
	ok(t, s.PauseReceiver())
	hangs := insert(t, c, 2)
	ok(t, c.Until("postgres", "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')"))

	ok(t, s.ResumeReceiver())
	ok(t, <-hangs)
	ok(t, s.PauseReceiver())
	hangs = insert(t, c, 3)
	ok(t, c.Until("postgres", "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')"))
	ok(t, c.Kill())
	if err := <-hangs; err == nil {
		t.Error("a commit was acknowledged although the standby was paused")
	}
	begin = time.Now()
	ok(t, s.Promote())
	t.Logf("promotion took %s", time.Since(begin))
	if n := count(t, s); n != 2 {
		t.Errorf("the promoted standby has %d rows, want the two that were acknowledged", n)
	}
	ok(t, s.Exec("postgres", "INSERT INTO t VALUES (4)")) // It waits for no standby of the old one.
	one, err := pgx.Connect(t.Context(), DSNOf("postgres", c, s))
	ok(t, err)
	ok(t, one.Close(context.Background()))
	begin = time.Now()
	StartStandby(t, s, "s2")
	t.Logf("a standby of the standby took %s", time.Since(begin))
}

func TestSetSynchronousHoldsUpTheNextCommit(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	ok(t, c.Exec("postgres", "CREATE TABLE t (a int)"))
	for i := range 10 {
		ok(t, c.SetSynchronous("nobody"))
		hangs := insert(t, c, i)
		ok(t, c.Until("postgres", "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')"))
		select {
		case err := <-hangs:
			t.Fatalf("a commit ended with %v although no standby is there", err)
		default:
		}
		ok(t, c.SetSynchronous(""))
		ok(t, <-hangs)
	}
}

func TestBouncer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode  string
		apart bool // Whether two clients with a transaction each share a session.
	}{{"session", true}, {"transaction", false}} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			b := StartBouncer(t, Shared(t), BouncerOptions{Mode: c.mode, Settings: map[string]string{"default_pool_size": "2"}})
			backend := func(conn *pgx.Conn) (pid int) {
				ok(t, conn.QueryRow(t.Context(), "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid))
				return pid
			}
			connect := func() *pgx.Conn {
				conn, err := pgx.Connect(t.Context(), b.DSN("postgres"))
				ok(t, err)
				t.Cleanup(func() { conn.Close(context.Background()) })
				return conn
			}
			one, two := connect(), connect()
			if got := backend(one) != backend(two); got != c.apart {
				t.Errorf("two clients have sessions of their own: %v, want %v", got, c.apart)
			}
			ok(t, b.Restart())
			if _, err := one.Exec(t.Context(), "SELECT 1"); err == nil {
				t.Error("a connection outlived the restart")
			}
			backend(connect())
		})
	}
}

func TestBouncerSaysWhyItDoesNotStart(t *testing.T) {
	t.Parallel()
	_, err := findBouncer()
	need(t, "pgbouncer", err)
	_, err = NewBouncer(Shared(t), BouncerOptions{Mode: "nonsense"})
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("got %v, want an error that names the mode", err)
	}
}

func TestSettingThatPostgresRefuses(t *testing.T) {
	t.Parallel()
	Need(t)
	_, err := New(Options{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v, want an error that names the setting", err)
	}
}

func TestDirectoryOfTheCallerStays(t *testing.T) {
	t.Parallel()
	Need(t)
	parent, err := os.MkdirTemp("/tmp", "ig-pg-own-") //nolint:usetesting // The other user passes through it.
	ok(t, err)
	defer os.RemoveAll(parent)
	ok(t, os.Chmod(parent, 0o755))
	c, err := New(Options{Dir: filepath.Join(parent, "data")})
	ok(t, err)
	ok(t, c.Close())
	if !exists(filepath.Join(parent, "data", "PG_VERSION")) {
		t.Error("the files of the cluster are gone")
	}
	if _, err := New(Options{Dir: parent}); !errors.Is(err, os.ErrExist) {
		t.Errorf("a directory that exists: got %v", err)
	}
}

func TestNewestVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := newest(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty directory: got %v", err)
	}
	for _, v := range []string{"9.6", "15", "9.5"} {
		bin := filepath.Join(dir, v, "bin")
		ok(t, os.MkdirAll(bin, 0o755))
		ok(t, os.WriteFile(filepath.Join(bin, "initdb"), nil, 0o755))
	}
	got, err := newest(dir)
	ok(t, err)
	if want := filepath.Join(dir, "15", "bin"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// childOf says to TestNothingOutlivesTheProcess that it is the process to be killed.
const childOf = "INBOXGATE_PGTEST_CHILD"

func TestNothingOutlivesTheProcess(t *testing.T) {
	if os.Getenv(childOf) != "" {
		c := Start(t, Options{})
		_, err := os.Stdout.WriteString(c.home.dir + " " + c.dir + "\n")
		ok(t, err)
		select {} // Until it is killed.
	}
	t.Parallel()
	Need(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestNothingOutlivesTheProcess$")
	cmd.Env = append(os.Environ(), childOf+"=1")
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	line := make([]byte, 256)
	n, err := out.Read(line)
	ok(t, err)
	f := strings.Fields(string(line[:n]))
	if len(f) != 2 {
		t.Fatalf("the child wrote %q", line[:n])
	}
	server, err := os.ReadFile(filepath.Join(f[1], "postmaster.pid"))
	ok(t, err)
	ok(t, cmd.Process.Kill())
	_ = cmd.Wait() // It was killed.
	deadline := time.Now().Add(Patience)
	for exists(f[0]) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", f[0])
		}
		time.Sleep(pause)
	}
	first, _, _ := strings.Cut(string(server), "\n")
	pid, err := strconv.Atoi(first)
	ok(t, err)
	ok(t, awaitGone(pid))
}
