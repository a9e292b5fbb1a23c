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

// besideExpress is row 2: the documented Express handler, with its ids in
// Redis and its events in a BullMQ queue, on the core that we have in our turn.
func besideExpress(ctx context.Context, b *bench) (out outcome, err error) {
	if err := b.haveExpress(ctx); err != nil {
		return out, err
	}
	d := drive{load: b.prepareLoad(goalBody, event.TypeMessageDelivered), conns: goalConns}
	what := "new event, one core"
	forms := []struct {
		mode, name string
		goal       goal
	}{
		{expressQueue, "Express, Redis, BullMQ", atLeast(8, "≥ 8×")},
		{expressRedis, "Express, ids in Redis, nothing kept", goal{}},
		{expressAlone, "Express, nothing kept", goal{}},
	}
	err = b.pinned(func() error {
		for _, form := range forms {
			ys, gs := &series{Name: form.name}, &series{Name: ourName, Setting: "beside " + form.name}
			yard := func(ctx context.Context) (figures, error) { return b.expressRound(ctx, form.mode, d) }
			if err := b.duel(ctx, yard, b.heldRound(b.server(), d), ys, gs); err != nil {
				return err
			}
			out.join(outcome{
				Comparisons: []comparison{compare(what, perSecond, ys, gs, form.goal), compare(what, p99, ys, gs, goal{})},
				Series:      []*series{ys, gs},
			})
		}
		return nil
	})
	return out, err
}

// haveExpress says what of the yardstick is missing here.
func (b *bench) haveExpress(ctx context.Context) error {
	for _, bin := range []string{"node", "redis-server"} {
		if _, err := exec.LookPath(bin); err != nil {
			return skipped{bin + " is not installed"}
		}
	}
	check := exec.CommandContext(ctx, "node", "-e", "for (const p of ['express', 'ioredis', 'bullmq']) require.resolve(p)")
	check.Dir = b.express
	if err := check.Run(); err != nil {
		return skipped{"the packages of " + b.express + " are not installed: run `make bench-express`"}
	}
	return nil
}

// expressRound measures Express once, with a Redis of its own that fsyncs
// each command before it answers.
func (b *bench) expressRound(ctx context.Context, mode string, d drive) (f figures, err error) {
	dir, err := b.fresh("express")
	if err != nil {
		return f, err
	}
	s := &side{dir: dir}
	defer s.close()
	redis, err := freeAddress()
	if err != nil {
		return f, err
	}
	if mode != expressAlone {
		if err := b.redis(ctx, s, redis); err != nil {
			return f, err
		}
	}
	if s.addr, err = freeAddress(); err != nil {
		return f, err
	}
	p, err := start(ctx, "Express", command{
		path: "node", args: []string{filepath.Join(b.express, "server.js")}, dir: b.express, cpus: b.server(),
		env: []string{"NODE_ENV=production", "PORT=" + port(s.addr), "REDIS_PORT=" + port(redis), "MODE=" + mode, "INBOX_WEBHOOK_SECRET=" + secret},
	})
	if err != nil {
		return f, err
	}
	s.procs = append(s.procs, p)
	if err := p.listening(ctx, s.addr); err != nil {
		return f, err
	}
	if f, err = b.measure(ctx, s, d); err != nil {
		return f, err
	}
	if mode == expressQueue {
		f.durable(d.conns, len(d.load.tail))
		return f, b.queued(ctx, redis, s, &f)
	}
	return f, nil
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
func (b *bench) queued(ctx context.Context, redis string, s *side, f *figures) error {
	c, err := dial(redis, "")
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
