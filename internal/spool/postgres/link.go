package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// connectWithin bounds one try to connect to one host.
	connectWithin = 3 * time.Second
	// retryFirst and retryMost bound the pause between tries, which doubles.
	retryFirst = 50 * time.Millisecond
	retryMost  = 2 * time.Second
	// silentWithin bounds what is sent and not acknowledged by the other machine, so
	// that one that vanished is noticed. A server that is there may think for longer.
	silentWithin = 10 * time.Second
	// stuckWithin is how long an answer is waited for before the connection is given
	// up. The server may go on with what it was given: its outcome is unknown.
	stuckWithin = 60 * time.Second
	// stuckMost is how many connections that were given up may still hang at the
	// server before no further one is made: a standby that is away would otherwise
	// use up all that the server has.
	stuckMost = 4
)

// A transaction is one round trip: a prologue, which says how durable it is to be and
// how statements are planned, and what it does. There is no BEGIN, so that no client
// that dies leaves one open. The settings are the transaction's own, because a pooler
// may give each to another session. Sequential scans are off: a plan that is made
// while a table is empty, or full of what has ended, would read all of it later.
const (
	prologue = `SELECT set_config('synchronous_commit', CASE WHEN $1='on' AND current_setting('synchronous_commit')='remote_apply' THEN 'remote_apply' ELSE $1 END, true),
	set_config('enable_seqscan','off',true), set_config('plan_cache_mode','force_generic_plan',true), set_config('jit','off',true),
	set_config('statement_timeout','10s',true), set_config('lock_timeout','5s',true)`
	// durable waits for the flush, and for a synchronous standby where there is one. It
	// takes the transaction's id before any number is drawn (records_settled.go).
	durable = "/* durable */ " + prologue + ", pg_current_xact_id()"
	// relaxed is flushed within a second.
	relaxed = "/* relaxed */ " + prologue
)

// trip is one transaction on its way.
type trip struct {
	s *Store
	pgx.Batch
}

// durably and relaxedly begin a transaction.
func (s *Store) durably() *trip   { return s.trip(durable, "on") }
func (s *Store) relaxedly() *trip { return s.trip(relaxed, "off") }

func (s *Store) trip(sql, how string) *trip {
	t := &trip{s: s}
	t.Batch.Queue(sql, how)
	return t
}

// do adds a statement. In its text "@." stands for the schema.
func (t *trip) do(sql string, args ...any) *pgx.QueuedQuery {
	return t.Batch.Queue(t.s.sql(sql), args...)
}

// texts are statements with their schema, by those without.
var texts sync.Map

// sql returns the text of a statement with the schema in it.
func (s *Store) sql(text string) string {
	k := [2]string{s.target.Schema, text}
	if v, ok := texts.Load(k); ok {
		return v.(string)
	}
	v := strings.ReplaceAll(text, "@.", s.target.Schema+".")
	texts.Store(k, v)
	return v
}

// link is one connection to the database, which is made when it is needed. Whoever has
// its turn uses it.
type link struct {
	s    *Store
	duty string
	// turn has room for the one who uses the link.
	turn chan struct{}

	// The holder of the turn has what follows.

	c *pgx.Conn // nil for none
	// server is when the server at the other end was started, by which it is known.
	server time.Time
	// warned is a warning that came with the present transaction.
	warned *pgconn.Notice
	// pause is how long to wait before the next try to connect, failedAt when the
	// last one failed.
	pause    time.Duration
	failedAt time.Time
	why      error // it failed

	// wire is the socket of c, for those who end it without the turn; ended says that
	// no further one is to be made.
	wire  atomic.Pointer[net.Conn]
	ended atomic.Bool
	// over is closed when it has ended.
	over     chan struct{}
	overOnce sync.Once
}

func newLink(s *Store, duty string) *link {
	return &link{s: s, duty: duty, turn: make(chan struct{}, 1), over: make(chan struct{})}
}

// take waits for the turn. give ends it.
func (l *link) take(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-l.over:
		return fmt.Errorf("%w: %w", spool.ErrUnavailable, errNoConnection)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *link) give() { <-l.turn }

// end closes the socket, whoever uses it, for good.
func (l *link) end() {
	l.ended.Store(true)
	l.overOnce.Do(func() { close(l.over) })
	if c := l.wire.Load(); c != nil {
		(*c).Close()
	}
}

// run waits for the turn and sends a transaction that build makes. What was certainly
// rolled back is sent again until ctx ends, and so is what may be repeated when its
// outcome is unknown. build is called for each try.
func (l *link) run(ctx context.Context, repeatable bool, build func() *trip) error {
	if err := l.take(ctx); err != nil {
		return fmt.Errorf("waiting for the database: %w", err)
	}
	defer l.give()
	return l.repeat(ctx, repeatable, func() error { return l.send(ctx, build()) })
}

// repeat calls f until it succeeds, fails for good, or ctx ends.
func (l *link) repeat(ctx context.Context, repeatable bool, f func() error) error {
	for tries := 0; ; tries++ {
		err := f()
		switch {
		case err == nil, ctx.Err() != nil, l.ended.Load():
			return err
		case errors.Is(err, errRolledBack) && tries < 20:
		case errors.Is(err, spool.ErrUnavailable) && repeatable && tries < 2:
		default:
			return err
		}
	}
}

// send sends a transaction and reads its answers. The caller has the turn. No context
// ends it, because the server would go on all the same; ctx bounds connecting alone.
func (l *link) send(ctx context.Context, t *trip) error {
	if err := l.connect(ctx); err != nil {
		return err
	}
	l.warned = nil
	stuck := l.watch()
	err := l.c.SendBatch(context.Background(), &t.Batch).Close()
	stuck()
	return l.outcome(err)
}

// outcome says what came of a transaction, and drops a connection that is of no use any
// more.
func (l *link) outcome(err error) error {
	if err == nil && l.warned != nil {
		// A commit that was not waited for comes as success, with a warning.
		err = fmt.Errorf("%w: %s", errWarned, l.warned.Message)
	}
	if err == nil {
		return nil
	}
	err = classify(err)
	if errors.Is(err, errPooled) && !l.s.count.pooled.Swap(true) {
		l.s.log.Warn("a pooler that keeps no prepared statements is in front of the database: none are used from now on, which costs CPU here; let it keep them (pgbouncer 1.21 or newer, max_prepared_statements), or say default_query_exec_mode=cache_describe in the database's URL")
	}
	if errors.Is(err, errPooled) {
		l.drop()
		return err
	}
	if l.c.IsClosed() || errors.Is(err, errElsewhere) || errors.Is(err, spool.ErrUnavailable) {
		l.drop()
	}
	if errors.Is(err, errUnknown) {
		l.s.count.ambiguous.Add(1)
	}
	return err
}

// drop closes the connection without waiting for the server. The caller has the turn.
func (l *link) drop() {
	l.dropWire()
	if l.c != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		l.c.Close(ctx)
		cancel()
	}
	l.c = nil
	l.wire.Store(nil)
}

// dropWire ends the socket, so that whoever waits for it fails.
func (l *link) dropWire() {
	if c := l.wire.Load(); c != nil {
		(*c).Close()
	}
}
