//go:build linux

package storecopy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/postgres"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

// place is ParsePlace for a test; a DSN is given by a file.
func place(t *testing.T, dirOrDSN string) Place {
	t.Helper()
	if strings.Contains(dirOrDSN, "://") {
		path := filepath.Join(t.TempDir(), "url")
		if err := os.WriteFile(path, []byte(dirOrDSN+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		dirOrDSN = "file:" + path
	}
	p, err := ParsePlace(dirOrDSN)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// recordsOf returns all records, the newest first, and the routes. Due times are shown by
// the clock of the moment, so they are rounded.
func recordsOf(t *testing.T, l spool.Log) (all []spool.Record, routes []spool.RouteState) {
	t.Helper()
	for _, kind := range []spool.Kind{spool.Events, spool.Quarantined} {
		q := spool.Query{Kind: kind}
		for more := true; more; more = q.Cursor != 0 {
			p, err := l.Records(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			all, q.Cursor = append(all, p.Records...), p.Next
		}
	}
	for i := range all {
		for k := range all[i].Deliveries {
			all[i].Deliveries[k].Due = all[i].Deliveries[k].Due.Round(time.Minute)
		}
	}
	routes, err := l.Routes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range routes { // Not of the rows.
		routes[i].Last, routes[i].Served = 0, 0
	}
	return all, routes
}

// verdicts offers events of all ages again, with their own body and another, and new ones
// around the marks, and returns what came of each.
func verdicts(t *testing.T, s spool.Store, events int, c *testClock) (all []string) {
	t.Helper()
	old := &testClock{} // It stands where the events were made.
	for i := range 3 * events {
		for _, more := range []string{"", " another"} {
			e := numbered(i, old, more)
			r, err := s.Accept(t.Context(), spool.Intake{Event: e})
			if r.Verdict == spool.Accepted {
				t.Errorf("%s%s was accepted again", e.ID, more)
			}
			all = append(all, fmt.Sprint(e.ID, more, " ", r.Verdict, " ", r.Reason, " ", r.Seq, " ", err))
		}
	}
	for _, ago := range []time.Duration{0, time.Hour, 100 * time.Minute, 4 * time.Hour, 5 * time.Hour} {
		e := numbered(70000+int(ago/time.Minute), c, "")
		e.CreatedAt = c.now().Add(-ago)
		r, err := s.Accept(t.Context(), spool.Intake{Event: e})
		all = append(all, fmt.Sprint("new, ", ago, " old ", r.Verdict, " ", r.Reason, " ", err))
	}
	for i := range 5 {
		err := s.Quarantine(t.Context(), spool.Odd{Event: numbered(90000+i, old, ""), Reason: "not JSON"})
		all = append(all, fmt.Sprint("odd ", err))
	}
	return all
}

// TestRoundTrip copies a store with some of everything into a database and back: what is
// shown of the three is the same, and so is what they answer, at once and when the windows
// end.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	const events = 60
	c := &testClock{}
	first, last, dsn := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b"), pgtest.Shared(t).Database(t)
	s := openDir(t, first, c)
	fill(t, s, c, events)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	there, err := Copy(t.Context(), place(t, first), place(t, dsn), nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Copy(t.Context(), place(t, dsn), place(t, last), nil)
	if err != nil {
		t.Fatal(err)
	}
	if there.Events != 3*events+1 || there.IDs != 2*events+1 || there.Odd != 7 || there.Deliveries == 0 || there.Holds != 1 || there.Routes != 4 {
		t.Errorf("copied: %+v", there)
	}
	there.From, there.To, back.From, back.To = "", "", "", ""
	if there != back {
		t.Errorf("there %+v, and back %+v", there, back)
	}

	compareOffline(t, first, last)
	stores := map[string]sweeper{"first": openDir(t, first, c), "database": openDSN(t, dsn, c), "last": openDir(t, last, c)}
	want, routes := recordsOf(t, stores["last"])
	got, gotRoutes := recordsOf(t, stores["first"])
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(gotRoutes, routes) {
		t.Error("the two directories, opened, do not show the same")
	}
	got, gotRoutes = recordsOf(t, stores["database"])
	for i, r := range gotRoutes { // What was running waits in a directory once it is opened.
		if w := routes[i]; r.Dead != w.Dead || r.Waiting+r.Running != w.Waiting+w.Running || !reflect.DeepEqual(r.Hold, w.Hold) || r.Key != w.Key || r.Running == 0 && w.Waiting > r.Waiting {
			t.Errorf("the database has %+v, and the directory %+v", r, w)
		}
	}
	running := func(d *spool.DeliveryRecord) { // They run until somebody leases.
		if d.State == spool.Running || len(d.Log) > 0 && d.Log[len(d.Log)-1].Error != "" {
			d.State, d.Attempts, d.Log, d.Due = spool.Running, 0, nil, time.Time{}
		}
	}
	for i := range got {
		for k := range got[i].Deliveries {
			running(&got[i].Deliveries[k])
			running(&want[i].Deliveries[k])
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("the database does not show the same")
	}

	for _, after := range []time.Duration{0, 100 * time.Minute, 3 * time.Hour} { // 80 minutes and more of the windows are gone already.
		c.pass(after)
		answers := map[string][]string{}
		for name, s := range stores {
			if err := s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			answers[name] = verdicts(t, s, events, c)
		}
		for _, name := range []string{"database", "last"} {
			for i, a := range answers[name] {
				if want := answers["first"][i]; a != want {
					t.Fatalf("%v later, the %s answers %q, and the first %q", after, name, a, want)
				}
			}
		}
	}
}

// compareOffline compares two directories that nobody has open: nothing may differ.
func compareOffline(t *testing.T, a, b string) {
	t.Helper()
	var records [2][]spool.Record
	var routes [2][]spool.RouteState
	for i, dir := range []string{a, b} {
		report, err := sqlite.Check(t.Context(), dir, nil)
		if err != nil || report.Damaged > 0 {
			t.Fatalf("%+v %v", report, err)
		}
		off, err := sqlite.OpenOffline(dir)
		if err != nil {
			t.Fatal(err)
		}
		records[i], routes[i] = recordsOf(t, off)
		off.Close()
	}
	states := map[spool.State]bool{}
	for i, r := range records[0] {
		if !reflect.DeepEqual(r, records[1][i]) {
			t.Fatalf("%+v became %+v", r, records[1][i])
		}
		for _, d := range r.Deliveries {
			states[d.State] = true
		}
	}
	if len(records[0]) != len(records[1]) || len(states) != 6 {
		t.Errorf("%d records became %d, with deliveries of the states %v", len(records[0]), len(records[1]), states)
	}
	if !reflect.DeepEqual(routes[0], routes[1]) {
		t.Errorf("routes %+v became %+v", routes[0], routes[1])
	}
}

// TestKilledCopy kills a copy after some of its rows, in each direction. The destination is
// no store then, and a second copy makes it whole.
func TestKilledCopy(t *testing.T) {
	if from := os.Getenv("STORECOPY_FROM"); from != "" {
		killAtRow(t, from, os.Getenv("STORECOPY_TO"))
	}
	t.Parallel()
	c := &testClock{}
	dir, back, dsn := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b"), pgtest.Shared(t).Database(t)
	s := openDir(t, dir, c)
	fill(t, s, c, 700)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, way := range []struct {
		from, to string
		open     func() error
	}{
		{dir, dsn, func() error {
			s, err := postgres.Open(t.Context(), dsn, postgres.Options{})
			if err == nil {
				_ = s.Close()
			}
			return err
		}},
		{dsn, back, func() error {
			s, err := sqlite.Open(back, sqlite.Options{})
			if err == nil {
				_ = s.Close()
			}
			return err
		}},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledCopy$")
		cmd.Env = append(os.Environ(), "STORECOPY_FROM="+way.from, "STORECOPY_TO="+way.to)
		out, err := cmd.CombinedOutput()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
			t.Fatalf("the copy was not killed: %v\n%s", err, out)
		}
		if err := way.open(); err == nil || !strings.Contains(err.Error(), "inboxgate store copy") {
			t.Fatalf("half a copy was opened: %v", err)
		}
		if strings.Contains(way.to, "://") { // It is no source either.
			if _, err := Copy(t.Context(), place(t, way.to), place(t, filepath.Join(t.TempDir(), "c")), nil); err == nil || !strings.Contains(err.Error(), "broke off") {
				t.Errorf("half a copy was copied: %v", err)
			}
		}
		if _, err := Copy(t.Context(), place(t, way.from), place(t, way.to), nil); err != nil {
			t.Fatal(err)
		}
	}
	compareOffline(t, dir, back)
}

// killAtRow copies until some rows are written, and kills this process.
func killAtRow(t *testing.T, from, to string) {
	_, err := Copy(t.Context(), place(t, from), place(t, to), func(s Step) {
		if s.Done > 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	t.Fatal("the copy ended: ", err)
}

// TestWrongPlaces has what is no source, or no destination.
func TestWrongPlaces(t *testing.T) {
	t.Parallel()
	c := &testClock{}
	full, dsn := filepath.Join(t.TempDir(), "full"), pgtest.Shared(t).Database(t)
	s := openDir(t, full, c)
	if _, err := s.Accept(t.Context(), spool.Intake{Event: numbered(1, c, "")}); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	refuse := func(from, to, want string) {
		t.Helper()
		if _, err := Copy(t.Context(), place(t, from), place(t, to), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("from %s to %s: %v; want %q", from, to, err, want)
		}
	}
	refuse(full, empty, "in use by process")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	refuse(empty, dsn, "there is no store at")
	refuse(dsn, empty, "there is no store")
	if _, err := os.Stat(filepath.Join(empty, "spool.db")); err == nil {
		t.Error("a refused copy has made a store")
	}
	refuse(full, full, "the same place")
	member := openDSN(t, dsn, &testClock{})
	refuse(full, dsn, "stop them")
	refuse(dsn, empty, "stop them")
	if err := member.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Copy(t.Context(), place(t, full), place(t, dsn), nil); err != nil {
		t.Fatal("an empty database that had a member:", err)
	}
	refuse(full, dsn, "copy into an empty one")
	refuse(dsn, full, "is there already")
}
