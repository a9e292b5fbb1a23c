package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// unprepared is how statements are sent that are few: a pooler may be in front that
// keeps none.
const unprepared = pgx.QueryExecModeExec

// connect connects where there is no connection, tries again until ctx ends, and keeps
// a pause between tries, also those of former calls. The caller has the turn.
func (l *link) connect(ctx context.Context) error {
	if l.c != nil && !l.c.IsClosed() {
		if !l.isDead() {
			return nil
		}
		l.drop()
	}
	for {
		if l.ended.Load() {
			return fmt.Errorf("%w: %w", spool.ErrUnavailable, errNoConnection)
		}
		if wait := l.pause - time.Since(l.failedAt); l.pause > 0 && wait > 0 {
			select {
			case <-time.After(wait):
			case <-l.over:
			case <-ctx.Done():
				return fmt.Errorf("%w: %w: %w", spool.ErrUnavailable, errNoConnection, cmp.Or(l.why, ctx.Err()))
			}
		}
		err := l.connectOnce(ctx)
		if err == nil {
			l.pause, l.why = 0, nil
			return nil
		}
		l.why = err
		l.failedAt = time.Now()
		l.pause = min(max(2*l.pause, retryFirst), retryMost)
		l.pause += time.Duration(rand.Int64N(int64(l.pause/4 + 1)))
		if ctx.Err() != nil || l.ended.Load() || l.s.isClosing() || errors.Is(err, errSetUp) {
			return fmt.Errorf("%w: %w: %w", spool.ErrUnavailable, errNoConnection, err)
		}
	}
}

// connectOnce tries every host of the DSN once, and looks at the server.
func (l *link) connectOnce(ctx context.Context) error {
	c, err := l.dialOnce(ctx)
	if err != nil {
		return err
	}
	wire := c.PgConn().Conn()
	l.c = c
	l.wire.Store(&wire)
	if l.ended.Load() { // end has come between, and has not seen the socket.
		l.drop()
		return errNoConnection
	}
	within, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	return l.greet(within)
}

// dialOnce tries every host of the DSN once.
func (l *link) dialOnce(ctx context.Context) (*pgx.Conn, error) {
	dsn := l.s.dsn
	if l.s.o.DSN != nil {
		d, err := l.s.o.DSN()
		if err != nil {
			return nil, err
		}
		dsn = d
	}
	c, target, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	if target.Key() != l.s.target.Key() {
		return nil, fmt.Errorf("%w: the database's URL leads to %s now; the store in use is %s: restart to change it", errSetUp, target, l.s.target)
	}
	l.prepare(c)
	if l.s.count.pooled.Load() {
		c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	within, cancel := context.WithTimeout(ctx, connectWithin*time.Duration(1+len(c.Fallbacks)))
	defer cancel()
	conn, err := pgx.ConnectConfig(within, c)
	if err != nil {
		return nil, withoutSecrets(err, c)
	}
	return conn, nil
}

// prepare completes the configuration of a connection.
func (l *link) prepare(c *pgx.ConnConfig) {
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "inboxgate/" + l.s.o.Name
	}
	if c.ConnectTimeout == 0 || c.ConnectTimeout > connectWithin {
		c.ConnectTimeout = connectWithin
	}
	c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	c.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			l.warned = n
		}
	}
	switch {
	case l.s.o.dial != nil:
		c.DialFunc = l.s.o.dial
	default:
		d := &net.Dialer{Timeout: connectWithin, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silentWithin, Interval: silentWithin / 5, Count: 5}, Control: dropSilent}
		c.DialFunc = d.DialContext
	}
}

// greet looks at the server once a connection is made: whether it is another one than
// before, and how many of our former connections hang there.
func (l *link) greet(ctx context.Context) error {
	var began time.Time
	var stuck int
	err := l.c.QueryRow(ctx, `SELECT pg_postmaster_start_time(), (SELECT count(*) FROM pg_stat_activity
		WHERE application_name=current_setting('application_name') AND usename=current_user AND wait_event='SyncRep' AND state_change < now() - make_interval(secs => $1))`,
		unprepared, stuckWithin.Seconds()).Scan(&began, &stuck)
	switch {
	case err != nil:
		l.drop()
		return classify(err)
	case stuck > stuckMost:
		l.drop()
		return fmt.Errorf("%d connections wait for a standby: no further one is made", stuck)
	}
	l.s.count.connected.Add(1)
	l.server = began
	l.s.noteServer(began)
	return nil
}

// noteServer notes when the server at the other end was started. Another time than
// before is another server, or the same after a crash.
func (s *Store) noteServer(began time.Time) {
	if old := s.count.serverBegan.Swap(began.UnixNano()); old != 0 && old != began.UnixNano() {
		s.log.Warn("the database was started anew, or another server has taken its place")
		if s.o.Reset != nil {
			s.o.Reset()
		}
	}
}

// isDead reports whether the other end of an idle connection has closed it, so that the
// next transaction does not find that out with an outcome that is unknown.
func (l *link) isDead() bool {
	wire := l.c.PgConn().Conn()
	if secured, ok := wire.(interface{ NetConn() net.Conn }); ok {
		wire = secured.NetConn()
	}
	switch has := peek(wire); has {
	case peekNothing:
		return false
	case peekData: // A farewell, or a notice.
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		_, err := l.c.PgConn().ReceiveMessage(ctx)
		return err != nil && !pgconn.Timeout(err)
	default:
		return true
	}
}

// What peek finds on an idle socket.
type peeked uint8

const (
	peekNothing peeked = iota
	peekData
	peekEnd
)

// watch gives up the connection where its server does not answer and another one has
// taken its place, or after long. The caller has the turn. stop ends it.
func (l *link) watch() (stop func()) {
	ctx, cancel := context.WithTimeout(context.Background(), stuckWithin)
	server := l.server
	timer := time.AfterFunc(replacedAfter, func() {
		for ctx.Err() == nil && !l.ended.Load() {
			if l.isReplaced(ctx, server) {
				break
			}
			select {
			case <-time.After(replacedEvery):
			case <-ctx.Done():
			}
		}
		if !errors.Is(ctx.Err(), context.Canceled) {
			l.dropWire()
		}
	})
	return func() { timer.Stop(); cancel() }
}

// A server that was frozen, or cut off, answers nothing and closes nothing. So another
// one is looked for before its time is over.
const (
	replacedAfter = 5 * time.Second
	replacedEvery = 2 * time.Second
)

// isReplaced reports whether the hosts lead to another server than the one that was
// started at began.
func (l *link) isReplaced(ctx context.Context, began time.Time) bool {
	other := newLink(l.s, l.duty)
	defer other.end()
	c, err := other.dialOnce(ctx)
	if err != nil {
		return false
	}
	defer other.drop()
	var now time.Time
	within, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	return c.QueryRow(within, `SELECT pg_postmaster_start_time()`, unprepared).Scan(&now) == nil && !now.Equal(began)
}
