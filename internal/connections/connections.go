// Package connections bounds the connections that wait for the head of a request.
//
// Guarantee: of those that have sent no whole head yet, and of those that are idle, at
// most a fixed number of each stays open; what is beyond it ends the one that has
// waited longest, and never one that works on a request. Nothing is kept of a
// connection that is closed.
//
// Limits: the bound follows the memory limit that the process has when it is first
// asked for.
package connections

import (
	"math"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
)

// Queues are the connections of the process that wait for the head of a request. Each
// takes memory, and anybody may open some: what is beyond the bound ends the one that
// has waited longest. A head that somebody really sends is whole within milliseconds,
// so that however many never are, they end each other.
type Queues struct {
	mu  sync.Mutex
	max int // In each of the two queues; guarded by mu, like all below.
	all map[net.Conn]*connection
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

// Process returns the connections of the process, made when the first server is guarded.
var Process = sync.OnceValue(func() *Queues { return newQueues(debug.SetMemoryLimit(-1)) })

// connectionCost is what a connection takes whose head has come almost whole: its
// buffers, the stack, and what was read. Caddy ends heads beyond 16 KiB.
const connectionCost = 32 << 10

// newQueues bounds connections by a memory limit in bytes. Each queue may have a
// sixteenth of it, half of what bodies of a kind have (package body): 460 at 256 MiB.
func newQueues(limit int64) *Queues {
	const least, most = 256, 32 << 10
	if limit == math.MaxInt64 {
		limit = 1 << 30 // Nobody has set one.
	}
	return &Queues{max: int(min(max(limit/16/connectionCost, least), most)), all: make(map[net.Conn]*connection)}
}

// Changed follows a connection from state to state. It returns the one that makes
// room, or nil.
func (s *Queues) Changed(conn net.Conn, state http.ConnState) net.Conn {
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

func (s *Queues) push(q *connQueue, c *connection) (evicted net.Conn) {
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

func (s *Queues) remove(c *connection) {
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

// SetMax bounds each of the queues by n, and returns what bounded it before.
func (s *Queues) SetMax(n int) (before int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, s.max = s.max, n
	return before
}

// Max returns how many connections each of the queues may hold.
func (s *Queues) Max() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.max
}
