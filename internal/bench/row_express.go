//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/inboxgate/inboxgate/event"
)

// The forms of the Express yardstick, from what the documentation shows to what
// promises about as much as we do.
const (
	expressAlone = "alone"
	expressRedis = "redis"
	expressQueue = "bullmq"
)

// How the sides are called.
const (
	queueName = "Express, Redis, BullMQ"
	redisName = "Express, ids in Redis"
	aloneName = "Express alone"
)

// besideExpress is row 2: the documented Express handler, with its ids in
// Redis and its events in a BullMQ queue, on the core that we have in our turn.
func besideExpress(ctx context.Context, b *bench) (out outcome, err error) {
	if err := b.haveExpress(ctx); err != nil {
		return out, err
	}
	l := b.prepareLoad(goalBody, event.TypeMessageDelivered)
	err = b.pinned(func() error {
		all, err := b.contest(ctx, append(b.expressSides(), b.heldSide(l, "", b.server())), drive{load: l, conns: goalConns})
		if err != nil {
			return err
		}
		gs := all[len(all)-1][0]
		for i, ys := range all[:len(all)-1] {
			g := goal{}
			if i == 0 {
				g = atLeast(8, "≥ 8×")
			}
			out.Series = append(out.Series, ys[0])
			out.Comparisons = append(out.Comparisons, compare("new event, one core", perSecond, ys[0], gs, g))
		}
		out.Series = append(out.Series, gs)
		out.Comparisons = append(out.Comparisons, compare("new event, one core", p99, all[0][0], gs, goal{}))
		return nil
	})
	out.note("Express with ids in Redis and Express alone keep no event: only the form with the queue promises about what inboxgate does")
	return out, err
}

// expressSides are the forms of the yardstick, the safest first.
func (b *bench) expressSides() []contender {
	return []contender{
		b.expressSide(queueName, expressQueue), b.expressSide(redisName, expressRedis), b.expressSide(aloneName, expressAlone),
	}
}

// haveExpress says what of the yardstick is missing here.
func (b *bench) haveExpress(ctx context.Context) error {
	for _, bin := range []string{"node", "redis-server"} {
		if _, err := exec.LookPath(bin); err != nil {
			return skipped{why: bin + " is not installed"}
		}
	}
	check := exec.CommandContext(ctx, "node", "-e", "for (const p of ['express', 'ioredis', 'bullmq']) require.resolve(p)")
	check.Dir = b.express
	if err := check.Run(); err != nil {
		return skipped{why: "the packages of " + b.express + " are not installed: run `make bench-express`"}
	}
	return nil
}

// expressSide is Express, with a Redis of its own that fsyncs each command
// before it answers.
func (b *bench) expressSide(name, mode string) contender {
	c := contender{name: name, open: func(ctx context.Context) (*side, error) { return b.expressServer(ctx, mode) }}
	if mode == expressQueue {
		c.durable, c.check = true, b.queued
	}
	return c
}

func (b *bench) expressServer(ctx context.Context, mode string) (_ *side, err error) {
	dir, err := b.fresh("express")
	if err != nil {
		return nil, err
	}
	s := &side{dir: dir}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	redis, err := freeAddress()
	if err != nil {
		return nil, err
	}
	if mode != expressAlone {
		if err := b.redis(ctx, s, redis); err != nil {
			return nil, err
		}
		s.redis = redis
	}
	if s.addr, err = freeAddress(); err != nil {
		return nil, err
	}
	p, err := start(ctx, "Express", command{
		path: "node", args: []string{filepath.Join(b.express, "server.js")}, dir: b.express, cpus: b.server(),
		env: []string{"NODE_ENV=production", "PORT=" + port(s.addr), "REDIS_PORT=" + port(redis), "MODE=" + mode, "INBOX_WEBHOOK_SECRET=" + secret},
	})
	if err != nil {
		return nil, err
	}
	s.procs = append(s.procs, p)
	return s, p.listening(ctx, s.addr)
}

func (b *bench) redis(ctx context.Context, s *side, addr string) error {
	p, err := start(ctx, "Redis", command{
		path: "redis-server", dir: s.dir, cpus: b.server(),
		args: []string{
			"--bind", "127.0.0.1", "--port", port(addr), "--dir", s.dir, "--daemonize", "no",
			"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction",
		},
	})
	if err != nil {
		return err
	}
	s.procs = append(s.procs, p)
	return p.listening(ctx, addr)
}

// queued counts whether all that was answered is in the queue.
func (b *bench) queued(ctx context.Context, s *side, f *figures) error {
	c, err := dial(s.redis, "")
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("LLEN bull:events:wait\r\n")); err != nil {
		return fmt.Errorf("asking Redis: %w", err)
	}
	n, err := c.Read(c.in)
	if err != nil {
		return fmt.Errorf("asking Redis: %w", err)
	}
	if got, want := strings.TrimSpace(string(c.in[:n])), fmt.Sprintf(":%d", s.offset); got != want && f.Void == "" {
		f.Void = fmt.Sprintf("%d events were answered, but Redis says %s", s.offset, got)
	}
	return ctx.Err()
}
