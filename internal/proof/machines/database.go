//go:build linux

package machines

import (
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
)

// behind is for how long after a database is back members may still be at finding it.
const behind = 3 * time.Second

// Shake does something to the database, and notes that what had ended shortly before may
// be undone, and that what waits may have to wait for a lease.
func (f *Fleet) Shake(what func() error) {
	f.t.Helper()
	from := time.Now()
	f.check(what())
	f.Log.Trouble(history.Shaken, 0, from, time.Now().Add(behind))
}

// Crash kills the primary with all its processes, and starts it again on its files.
func (f *Fleet) Crash() {
	f.t.Helper()
	f.Shake(func() error {
		if err := f.Primary.Kill(); err != nil {
			return err
		}
		return f.Primary.Start()
	})
}

// Failover kills the primary while the standby's receiver has been paused for a while, so
// that commits are under way that no standby has, and promotes the standby, which is the
// primary then.
func (f *Fleet) Failover(pause time.Duration) {
	f.t.Helper()
	f.Shake(func() error {
		if err := f.Standby.PauseReceiver(); err != nil {
			return err
		}
		<-time.After(pause)
		if err := f.Primary.Kill(); err != nil {
			return err
		}
		return f.Standby.Promote()
	})
	f.Primary, f.Standby = f.Standby, nil
}

// Waiting is the process of a session whose commit waits for a standby, 0 for none.
func (f *Fleet) Waiting() int {
	f.t.Helper()
	pid, err := pgtest.One[int](f.Primary, f.Database,
		"SELECT coalesce((SELECT pid FROM pg_stat_activity WHERE wait_event='SyncRep' AND application_name LIKE 'inboxgate/%' LIMIT 1), 0)")
	f.check(err)
	return pid
}

// AwaitWaiting waits until a commit waits for a standby, and returns its session's
// process.
func (f *Fleet) AwaitWaiting() int {
	f.t.Helper()
	for deadline := time.Now().Add(pgtest.Patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if pid := f.Waiting(); pid != 0 {
			return pid
		}
	}
	f.t.Fatalf("no commit waits for a standby after %s", pgtest.Patience)
	return 0
}

// StandbyStopped pauses the standby's receiver while f runs. Nothing can be acknowledged
// then.
func (f *Fleet) StandbyStopped(during func()) {
	f.t.Helper()
	f.check(f.Standby.PauseReceiver())
	f.Drained()
	from := time.Now()
	during()
	f.Log.Trouble(history.Cut, 0, from, time.Now())
	f.check(f.Standby.ResumeReceiver())
}

// StandbyLost is StandbyStopped with the loss of the primary at its end: the standby,
// which never gets what was sent to it meanwhile, is promoted.
func (f *Fleet) StandbyLost(during func()) {
	f.t.Helper()
	f.check(f.Standby.PauseReceiver())
	f.Drained()
	from := time.Now()
	during()
	f.Log.Trouble(history.Cut, 0, from, time.Now())
	f.check(f.Primary.Kill())
	f.check(f.Standby.Promote())
	f.Primary, f.Standby = f.Standby, nil
	for _, wait := range f.later {
		wait()
	}
	f.later = nil
}

// Drained returns when no answer is under way any more of a commit that the standby still
// had.
func (f *Fleet) Drained() { <-time.After(300 * time.Millisecond) }

// AddStandby makes a standby of the present primary, which commits wait for.
func (f *Fleet) AddStandby() {
	f.t.Helper()
	f.Standby = pgtest.StartStandby(f.t, f.Primary, "standby")
	f.check(f.Primary.SetSynchronous("standby"))
}

// CancelWaiting cancels what sessions of machines do whose commits wait for a standby.
func (f *Fleet) CancelWaiting() {
	f.t.Helper()
	n, err := pgtest.One[int](f.Primary, f.Database,
		"SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event='SyncRep' AND application_name LIKE 'inboxgate/%'")
	f.check(err)
	f.cancelled += n
}

// Shown counts the events that the primary shows.
func (f *Fleet) Shown() int {
	f.t.Helper()
	n, err := pgtest.One[int](f.Primary, f.Database, "SELECT count(*) FROM inboxgate.events")
	f.check(err)
	return n
}

// Schema is the version of the tables.
func (f *Fleet) Schema() int {
	f.t.Helper()
	n, err := pgtest.One[int](f.Primary, f.Database, "SELECT value FROM inboxgate.meta WHERE name='schema'")
	f.check(err)
	return n
}

// Revive waits until the primary answers, and starts it where it has ended.
func (f *Fleet) Revive(troubled time.Time) {
	f.t.Helper()
	defer func() { f.Log.Trouble(history.Shaken, 0, troubled, time.Now().Add(behind)) }()
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if _, err := pgtest.One[int](f.Primary, f.Database, "SELECT 1"); err == nil {
			return
		}
	}
	f.check(f.Primary.Kill())
	f.check(f.Primary.Start())
}

// InBackground runs f beside the test, and returns what waits for its end.
func (f *Fleet) InBackground(what func()) (wait func()) {
	ended := make(chan struct{})
	go func() { defer close(ended); what() }()
	wait = func() { <-ended }
	f.t.Cleanup(wait)
	return wait
}

// After has StandbyLost wait for what runs in the background once the standby is
// promoted.
func (f *Fleet) After(waits ...func()) { f.later = append(f.later, waits...) }

// Clock is the time of the database's machine.
func (f *Fleet) Clock() time.Time {
	f.t.Helper()
	now, err := pgtest.One[time.Time](f.Primary, f.Database, "SELECT clock_timestamp()")
	f.check(err)
	return now
}
