//go:build linux

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

// follower is the name of a pair's standby.
const follower = "follower"

// A Pair is a primary with a synchronous standby, on which commits fail as they do on
// machines: what a commit waits for is the standby, a medium that can be slow or lose
// what it was not told of. Its methods may be called by several goroutines, Failover and
// Close by one at a time, while no client is open.
type Pair struct {
	options Options
	faults  faults

	mu               sync.Mutex // guards what follows
	primary, standby *Cluster
	// admin is the session that looks after those of clients. Nil until it is needed.
	admin *pgx.Conn
}

// NewPair makes a pair and starts it. The caller closes it.
func NewPair(o Options) (*Pair, error) {
	primary, err := New(o)
	if err != nil {
		return nil, err
	}
	p := &Pair{options: o, primary: primary}
	if err := p.complete(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// complete gives the primary its standby.
func (p *Pair) complete() error {
	standby, err := p.primary.Standby(follower)
	if err != nil {
		return err
	}
	p.standby = standby
	return p.primary.SetSynchronous(follower)
}

// Primary is the cluster that takes writes.
func (p *Pair) Primary() *Cluster {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.primary
}

// Failover loses the machine of the primary, with all that its standby has not been
// told, and goes on with the standby, which is given one in its turn. Faults are over.
func (p *Pair) Failover() error {
	p.faults.reset()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.primary.Kill(); err != nil {
		return err
	}
	p.dropAdmin()
	if err := p.standby.Promote(); err != nil {
		return err
	}
	old := p.primary
	p.primary, p.standby = p.standby, nil
	return errors.Join(old.Close(), p.complete())
}

// Mend ends all faults and resumes the standby.
func (p *Pair) Mend() error {
	p.faults.reset()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.standby.ResumeReceiver()
}

// clean makes the pair fit for another test.
func (p *Pair) clean() error {
	if err := p.Mend(); err != nil {
		return err
	}
	p.SetFaults(Faults{})
	names, err := One[[]string](p.Primary(), "postgres",
		"SELECT coalesce(array_agg(datname::text), '{}') FROM pg_database WHERE datname <> 'postgres' AND NOT datistemplate")
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := p.Primary().DropDatabase(name); err != nil {
			return err
		}
	}
	return nil
}

// Close kills both servers and removes their files.
func (p *Pair) Close() error {
	p.faults.reset()
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.primary.Close()
	p.dropAdmin()
	if p.standby != nil {
		err = errors.Join(err, p.standby.Close())
	}
	return err
}

// LogTail is the end of what both have logged.
func (p *Pair) LogTail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	tail := "primary:\n" + p.primary.LogTail()
	if p.standby != nil {
		tail += "standby:\n" + p.standby.LogTail()
	}
	return tail
}

// ask asks the primary about the sessions of others, on a session that is kept. Where that
// has died with the server since, it asks on another one.
func (p *Pair) ask(ctx context.Context, answer []any, query string, args ...any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.admin != nil
	err := p.tryToAsk(ctx, answer, query, args...)
	if err != nil && kept {
		err = p.tryToAsk(ctx, answer, query, args...)
	}
	if err != nil {
		return fmt.Errorf("asking the primary: %w", err)
	}
	return nil
}

// tryToAsk asks once. The caller holds mu.
func (p *Pair) tryToAsk(ctx context.Context, answer []any, query string, args ...any) (err error) {
	if p.admin == nil {
		if p.admin, err = pgx.Connect(ctx, p.primary.SocketDSN("postgres")); err != nil {
			return err
		}
	}
	if err := p.admin.QueryRow(ctx, query, args...).Scan(answer...); err != nil {
		p.dropAdmin()
		return err
	}
	return nil
}

// dropAdmin gives up the session of ask. The caller holds mu.
func (p *Pair) dropAdmin() {
	if p.admin == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // The server may be gone: without a word.
	_ = p.admin.Close(ctx)
	p.admin = nil
}
