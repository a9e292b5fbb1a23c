package caddymodule

import (
	"log/slog"
	"math"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/inboxgate/inboxgate/internal/loghandler"
)

// connections are those of the process that wait for the head of a request. Each
// takes memory, and anybody may open some: what is beyond the bound ends the one that
// has waited longest. A head that somebody really sends is whole within milliseconds,
// so that however many never are, they end each other.
type connections struct {
	max int // In each of the two queues.

	mu  sync.Mutex
	all map[net.Conn]*connection // Guarded by mu, like all below.
	// fresh have sent no whole head yet; idle wait for the next one.
	fresh, idle connQueue
}

// connection is one of them, in one queue or in none.
type connection struct {
	conn         net.Conn
	in           *connQueue
	older, newer *connection
}

// connQueue is linked through its connections, so that a request costs no allocation.
type connQueue struct {
	n              int
	oldest, newest *connection
}

// waiting are the connections of the process, made when the first server is guarded.
var waiting = sync.OnceValue(func() *connections { return newConnections(debug.SetMemoryLimit(-1)) })

// connectionCost is what a connection takes whose head has come almost whole: its
// buffers, the stack, and what was read. Caddy ends heads beyond 16 KiB.
const connectionCost = 32 << 10

// newConnections bounds connections by a memory limit in bytes. Each queue may have a
// sixteenth of it, half of what bodies of a kind have (newBudgets): 460 at 256 MiB.
func newConnections(limit int64) *connections {
	const least, most = 256, 32 << 10
	if limit == math.MaxInt64 {
		limit = 1 << 30 // Nobody has set one.
	}
	return &connections{max: int(min(max(limit/16/connectionCost, least), most)), all: make(map[net.Conn]*connection)}
}

// changed follows a connection from state to state. It returns the one that makes
// room, or nil.
func (s *connections) changed(conn net.Conn, state http.ConnState) net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.all[conn]
	if c == nil {
		if state != http.StateNew && state != http.StateIdle {
			return nil
		}
		c = &connection{conn: conn}
		s.all[conn] = c
	}
	s.remove(c)
	switch state {
	case http.StateNew:
		return s.push(&s.fresh, c)
	case http.StateIdle:
		return s.push(&s.idle, c)
	case http.StateClosed, http.StateHijacked:
		delete(s.all, conn)
	}
	return nil
}

func (s *connections) push(q *connQueue, c *connection) (evicted net.Conn) {
	c.in, c.older = q, q.newest
	if q.newest != nil {
		q.newest.newer = c
	} else {
		q.oldest = c
	}
	q.newest = c
	if q.n++; q.n <= s.max {
		return nil
	}
	last := q.oldest
	s.remove(last)
	return last.conn
}

func (s *connections) remove(c *connection) {
	q := c.in
	if q == nil {
		return
	}
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		q.oldest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		q.newest = c.older
	}
	q.n--
	c.in, c.older, c.newer = nil, nil, nil
}

// bound has a server's connections counted among those of the process.
func (s *connections) bound(server *caddyhttp.Server, log *slog.Logger) {
	ended := &loghandler.Seldom{Every: missedEvery}
	server.RegisterConnState(func(conn net.Conn, state http.ConnState) {
		c := s.changed(conn, state)
		if c == nil {
			return
		}
		go c.Close() // TLS may have something to say first.
		if n, ok := ended.Add(time.Now()); ok {
			log.Warn("more connections wait for a request than the memory limit allows: those that have waited longest are closed", "limit", s.max, "connections", n)
		}
	})
}
