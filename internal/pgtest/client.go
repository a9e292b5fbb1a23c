//go:build linux

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// A Client is all that one process has open to a Pair. Its Dial goes into the
// configuration of the process; Kill is that process' end.
type Client struct {
	pair *Pair
	// over is closed by Kill.
	over chan struct{}

	mu       sync.Mutex // guards what follows
	sessions map[*session]bool
	// pids are the server's processes for the client, also of sessions that have ended.
	pids map[int]bool
}

var errKilled = errors.New("this process has been killed")

// NewClient makes a client that has nothing open.
func (p *Pair) NewClient() *Client {
	return &Client{pair: p, over: make(chan struct{}), sessions: map[*session]bool{}, pids: map[int]bool{}}
}

// Dial opens a connection on which the faults of the pair are done.
func (c *Client) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if c.dead() {
		return nil, errKilled
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	s := &session{Conn: conn, client: c, over: make(chan struct{}), marked: map[string]string{}}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead() { // Meanwhile.
		return nil, errors.Join(errKilled, conn.Close())
	}
	c.sessions[s] = true
	return s, nil
}

func (c *Client) dead() bool {
	select {
	case <-c.over:
		return true
	default:
		return false
	}
}

// Kill ends the client as kill -9 does: its connections are gone and no new one is made.
// It returns when the server has ended the client's sessions too, so that nothing of
// them can still change anything.
func (c *Client) Kill() error {
	c.mu.Lock()
	if !c.dead() {
		close(c.over)
	}
	var pids []int
	for pid := range c.pids {
		pids = append(pids, pid)
	}
	for s := range c.sessions {
		_ = s.Conn.Close()
	}
	c.mu.Unlock()
	if len(pids) == 0 || !c.pair.Primary().Running() {
		return nil
	}
	// One that waits for the standby would wait on. The numbers are those of sessions
	// of clients alone, so that one that is used again is not hit.
	err := c.pair.Primary().Until("postgres", `SELECT count(pg_terminate_backend(pid)) = 0 FROM pg_stat_activity
		WHERE pid = ANY($1) AND pid <> pg_backend_pid() AND backend_type = 'client backend'`, pids)
	if err != nil {
		return fmt.Errorf("ending the sessions of a client: %w", err)
	}
	return nil
}

// began notes the process of the server that a session has.
func (c *Client) began(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pids[pid] = true
}

func (c *Client) ended(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, s)
}
