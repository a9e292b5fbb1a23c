//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

// side is a server that requests are sent to, with what belongs to it.
type side struct {
	procs []*process
	addr  string // several, with commas between, take the connections in turn
	want  string // what a good answer's head holds
	store string // of a gate
	redis string // address, where there is one
	db    *database
	dir   string // removed with it
	dirs  []string
	// offset is how many of the load's requests it has had already.
	offset int
}

func (s *side) stop() {
	for i := len(s.procs) - 1; i >= 0; i-- {
		s.procs[i].stop()
	}
	s.procs = nil
}

func (s *side) close() {
	s.stop()
	for _, dir := range append(s.dirs, s.dir) {
		_ = os.RemoveAll(dir)
	}
}

// What the head of our answers holds.
const (
	wantAccepted  = "X-Inbox-Result: accepted"
	wantDuplicate = "X-Inbox-Result: duplicate"
)

// globals are the same for both Caddys: nothing but the servers runs.
const globals = `	admin off
	persist_config off
	auto_https off
	storage_clean_interval off
`

// gate starts inboxgate over a store, a new one if none is named. routes are
// the lines of its Caddyfile that say where events go.
func (b *bench) gate(ctx context.Context, routes, store string, cpus []int) (*side, error) {
	return b.gateOn(ctx, routes, store, nil, cpus)
}

// gateOn is gate, with its events in a database if one is given.
func (b *bench) gateOn(ctx context.Context, routes, store string, db *database, cpus []int) (*side, error) {
	return b.gateBeside(ctx, routes, "", store, db, cpus)
}

// gateBeside is gateOn, with more sites in its Caddyfile.
func (b *bench) gateBeside(ctx context.Context, routes, sites, store string, db *database, cpus []int) (*side, error) {
	dir, err := b.fresh("gate")
	if err != nil {
		return nil, err
	}
	if store == "" {
		store = filepath.Join(dir, "store")
	}
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	engine, env := "", []string(nil)
	if db != nil {
		engine, env = "\t\tstorage postgres {env.INBOX_DATABASE_URL}\n", []string{"INBOX_DATABASE_URL=" + db.url()}
	}
	file := fmt.Sprintf("{\n%s\tinbox {\n\t\tdata_dir %q\n%s\t}\n}\nhttp://:%s {\n\tbind 127.0.0.1\n\tinbox_webhook %s {\n\t\tsecret {env.INBOX_WEBHOOK_SECRET}\n%s\n\t}\n}\n%s",
		globals, store, engine, port(addr), path, routes, sites)
	s, err := b.caddy(ctx, "inboxgate", b.gateBin, nil, file, side{addr: addr, want: wantAccepted, store: store, db: db, dir: dir}, cpus, env...)
	if err != nil || db == nil {
		return s, err
	}
	// It listens before it has reached the database.
	if err := s.procs[0].until(ctx, "reached its database", time.Minute, func() bool { return s.procs[0].says("serving initial configuration") }); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// bare starts Caddy that reads the body and answers.
func (b *bench) bare(ctx context.Context, cpus []int) (*side, error) {
	return b.yardstick(ctx, "bare Caddy", "bench_read "+path, cpus)
}

// proxy starts Caddy's reverse_proxy to an app.
func (b *bench) proxy(ctx context.Context, to string, cpus []int) (*side, error) {
	return b.yardstick(ctx, proxyName, "reverse_proxy "+path+" "+to, cpus)
}

func (b *bench) yardstick(ctx context.Context, name, directive string, cpus []int) (*side, error) {
	dir, err := b.fresh("yardstick")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	file := fmt.Sprintf("{\n%s}\nhttp://:%s {\n\tbind 127.0.0.1\n\t%s\n}\n", globals, port(addr), directive)
	return b.caddy(ctx, name, b.self, []string{"caddy"}, file, side{addr: addr, dir: dir}, cpus)
}

func (b *bench) caddy(ctx context.Context, name, bin string, args []string, file string, s side, cpus []int, env ...string) (*side, error) {
	config := filepath.Join(s.dir, "Caddyfile")
	if err := os.WriteFile(config, []byte(file), 0o600); err != nil {
		return nil, fmt.Errorf("writing Caddyfile: %w", err)
	}
	p, err := start(ctx, name, command{
		path: bin, args: append(args, "run", "--config", config, "--adapter", "caddyfile"), dir: s.dir, cpus: cpus,
		env: append(env, "HOME="+s.dir, "XDG_DATA_HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir, "INBOX_WEBHOOK_SECRET="+secret),
	})
	if err != nil {
		return nil, err
	}
	s.procs = []*process{p}
	if err := p.listening(ctx, s.addr); err != nil {
		s.close()
		return nil, err
	}
	return &s, nil
}

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// app starts the app on an address.
func (b *bench) app(ctx context.Context, addr string, cpus []int) (*app, error) {
	p, err := start(ctx, "app", command{path: b.self, args: []string{"app", addr}, cpus: cpus})
	if err != nil {
		return nil, err
	}
	if err := p.listening(ctx, addr); err != nil {
		p.stop()
		return nil, err
	}
	return &app{process: p, addr: addr}, nil
}

// hold sends a few events, so that the gate finds its upstream gone and holds
// the route.
func (s *side) hold(ctx context.Context, l *load) error {
	return s.prod(ctx, l, 8, `"msg":"route held"`)
}

// prod sends n events and waits until the gate has said something.
func (s *side) prod(ctx context.Context, l *load, n int, text string) error {
	c, err := dial(s.addr, s.want)
	if err != nil {
		return err
	}
	defer c.Close()
	for range n {
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if err := c.exchange(l, s.offset); err != nil {
			return fmt.Errorf("sending an event: %w", err)
		}
		s.offset++
	}
	return s.procs[0].until(ctx, "said "+text, time.Minute, func() bool { return s.procs[0].says(text) })
}

// stored counts the deliveries that wait or run in a store that no process has
// open.
func stored(ctx context.Context, dir string) (n int64, err error) {
	store, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		return 0, fmt.Errorf("counting what is stored: %w", err)
	}
	routes, err := store.Routes(ctx)
	for _, r := range routes {
		n += r.Waiting + r.Running
	}
	return n, errors.Join(err, store.Close())
}
