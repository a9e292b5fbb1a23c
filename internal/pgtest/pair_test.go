//go:build linux

package pgtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A writer is a process that writes rows, of its own table where it was told to.
type writer struct {
	*Client
	t        *testing.T
	dsn      string
	conn     *pgx.Conn
	warnings int
}

func newWriter(t *testing.T, p *Pair) *writer {
	t.Helper()
	w := &writer{Client: p.NewClient(), t: t, dsn: p.Primary().DSN("postgres")}
	w.connect()
	t.Cleanup(func() { ok(t, w.Kill()) }) // Or a failed test would wait for what hangs.
	return w
}

func (w *writer) connect() {
	w.t.Helper()
	config, err := pgx.ParseConfig(w.dsn)
	ok(w.t, err)
	config.DialFunc = w.Dial
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { w.warnings++ }
	w.conn, err = pgx.ConnectConfig(w.t.Context(), config)
	ok(w.t, err)
	w.t.Cleanup(func() { w.conn.Close(context.Background()) })
}

// write runs a statement in a marked transaction.
func (w *writer) write(mark, statement string, args ...any) error {
	b := &pgx.Batch{}
	b.Queue(mark+" SELECT set_config('synchronous_commit', $1, true)", map[string]string{Durable: "on", Relaxed: "off"}[mark])
	b.Queue(statement, args...)
	return w.conn.SendBatch(context.Background(), b).Close()
}

func (w *writer) row(value int) error { return w.write(Durable, "INSERT INTO t VALUES ($1)", value) }

// goRow writes a row beside the test.
func (w *writer) goRow(value int) <-chan error {
	done := make(chan error, 1)
	go func() { done <- w.row(value) }()
	return done
}

// still checks that a call has not been answered.
func still(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		t.Fatalf("answered %v at the gate", err)
	case <-time.After(50 * time.Millisecond):
	}
}

func rows(t *testing.T, p *Pair) []int {
	t.Helper()
	all, err := One[[]int](p.Primary(), "postgres", "SELECT coalesce(array_agg(a ORDER BY a), '{}') FROM t")
	ok(t, err)
	return all
}

func wantRows(t *testing.T, p *Pair, what string, want ...int) {
	t.Helper()
	got := rows(t, p)
	if len(got) != len(want) {
		t.Fatalf("%s: rows %v, want %v", what, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: rows %v, want %v", what, got, want)
		}
	}
}

// pairFor takes a pair whose database postgres has an empty table t.
func pairFor(t *testing.T, how Faults) *Pair {
	t.Helper()
	begin := time.Now()
	p := TakePair(t)
	t.Logf("a pair took %s", time.Since(begin))
	p.SetFaults(how)
	ok(t, p.Primary().Exec("postgres", "DROP TABLE IF EXISTS t", "CREATE TABLE t (a int)"))
	return p
}

func TestGateHoldsUpDurableCommits(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]bool{"before it is asked for": false, "at the standby": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pairFor(t, Faults{AtStandby: at})
			w := newWriter(t, p)
			blocked, release := p.Gate(2)
			ok(t, w.row(1))
			ok(t, w.row(2))
			third := w.goRow(3)
			<-blocked
			still(t, third)
			other := newWriter(t, p)
			ok(t, other.write(Relaxed, "INSERT INTO t VALUES (4)"))
			wantRows(t, p, "at the gate", 1, 2, 4) // Nobody sees what waits for the standby.
			release()
			release()
			ok(t, <-third)
			ok(t, w.row(5))
			wantRows(t, p, "after the gate", 1, 2, 3, 4, 5)

			blocked, release = p.Gate(0)
			sixth := w.goRow(6)
			<-blocked
			ok(t, w.Kill())
			if err := <-sixth; err == nil {
				t.Error("answered after Kill")
			}
			p.EndFaults()
			release()
			if _, err := w.Dial(t.Context(), "tcp", p.Primary().Address()); !errors.Is(err, errKilled) {
				t.Errorf("a killed client gets a connection, %v", err)
			}
			again := newWriter(t, p)
			ok(t, again.row(7))
			if at { // It had been committed here.
				wantRows(t, p, "after a kill", 1, 2, 3, 4, 5, 6, 7)
			} else {
				wantRows(t, p, "after a kill", 1, 2, 3, 4, 5, 7)
			}
			ok(t, other.write(Durable, "SELECT 1")) // The kill of one was none of the other.
		})
	}
}

func TestFailedCommitsAreReadableAndNotDurable(t *testing.T) {
	t.Parallel()
	for _, how := range []Failure{Crash, Terminate, Cancel} {
		t.Run(how.String(), func(t *testing.T) {
			t.Parallel()
			p := pairFor(t, Faults{Failure: how})
			w := newWriter(t, p)
			ok(t, w.row(1))
			p.Fail(1, 2)
			ok(t, w.row(2))
			for _, value := range []int{3, 4} {
				ok(t, w.write(Durable, "SELECT 1")) // Writes nothing, so it has nothing to fail.
				switch err := w.row(value); {
				case how == Cancel && (err != nil || w.warnings != value-2):
					t.Errorf("a cancelled wait: %v, %d warnings", err, w.warnings)
				case how != Cancel && err == nil:
					t.Error("a failed commit was answered")
				case how != Cancel:
					w.connect()
				}
			}
			wantRows(t, p, "after the failures", 1, 2, 3, 4)
			ok(t, w.write(Durable, "SELECT 1")) // It does not make them durable either.
			ok(t, w.Kill())
			ok(t, p.Failover())
			wantRows(t, p, "after the failover", 1, 2)

			w = newWriter(t, p)
			p.Fail(0, 1)
			if err := w.row(5); (err == nil) != (how == Cancel) {
				t.Errorf("the failing commit: %v", err)
			}
			if how != Cancel {
				w.connect()
			}
			ok(t, w.row(6)) // It waits for the standby, which so learns of both.
			ok(t, w.Kill())
			begin := time.Now()
			ok(t, p.Failover())
			t.Logf("a failover took %s", time.Since(begin))
			wantRows(t, p, "after the second failover", 1, 2, 5, 6)
		})
	}
}

func TestLostAnswerIsDurable(t *testing.T) {
	t.Parallel()
	p := pairFor(t, Faults{Failure: LoseAnswer})
	w := newWriter(t, p)
	p.Fail(0, 1)
	if err := w.row(1); err == nil {
		t.Error("the answer came")
	}
	ok(t, w.Kill())
	ok(t, p.Failover())
	wantRows(t, p, "after the failover", 1)
}

func TestGateThenFailure(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]bool{"before it is asked for": false, "at the standby": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pairFor(t, Faults{AtStandby: at, Failure: Terminate})
			w := newWriter(t, p)
			blocked, release := p.Gate(0)
			p.Fail(0, 1)
			first := w.goRow(1)
			<-blocked
			still(t, first)
			release()
			if err := <-first; err == nil {
				t.Error("a failed commit was answered")
			}
			w.connect()
			p.Fail(0, 0)
			ok(t, w.row(2))
			ok(t, w.Kill())
		})
	}
}

func TestRelaxedCommitsPass(t *testing.T) {
	t.Parallel()
	p := pairFor(t, Faults{})
	w := newWriter(t, p)
	p.Fail(0, 1)
	_, release := p.Gate(0)
	defer release()
	ok(t, w.write(Relaxed, "INSERT INTO t VALUES (1)"))
	_, err := w.conn.Exec(t.Context(), "INSERT INTO t VALUES (2)")
	ok(t, err)
	wantRows(t, p, "unmarked and relaxed", 1, 2)
	ok(t, w.Kill())
}
