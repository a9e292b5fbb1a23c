//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// bench is one run: where it happens and with which programs.
type bench struct {
	options
	dir     string // of this run, removed at its end
	self    string
	gateBin string
	root    string // of the module
	cpus    []int
	disk    disk
	serial  int
}

// server and generator are the cores where the server has one for itself.
func (b *bench) server() []int    { return b.cpus[:1] }
func (b *bench) generator() []int { return b.cpus[1:] }

// both are the two cores of the rows that are not pinned to one.
func (b *bench) both() []int { return b.cpus[:2] }

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func prepare(ctx context.Context, o options) (b *bench, err error) {
	b = &bench{options: o}
	if b.cpus, err = affinity(); err != nil {
		return nil, err
	}
	if len(b.cpus) < 2 {
		return nil, errors.New("two cores are needed: one for the server, one for the generator")
	}
	if b.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("finding the module: %w", err)
	}
	b.root = filepath.Dir(strings.TrimSpace(string(mod)))
	if b.express == "" {
		b.express = filepath.Join(b.root, "internal/bench/express")
	}
	if err := b.makeDir(); err != nil {
		return nil, err
	}
	b.gateBin = filepath.Join(b.dir, "inboxgate")
	b.say("building inboxgate")
	build := exec.CommandContext(ctx, "go", "build", "-o", b.gateBin, "./sidecar")
	build.Dir = b.root
	if out, err := build.CombinedOutput(); err != nil {
		b.close()
		return nil, fmt.Errorf("building inboxgate: %w\n%s", err, out)
	}
	return b, nil
}

// makeDir makes the run's directory, and refuses one in memory.
func (b *bench) makeDir() (err error) {
	if err := os.MkdirAll(b.options.dir, 0o755); err != nil {
		return fmt.Errorf("making directory: %w", err)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(b.options.dir, &fs); err != nil {
		return fmt.Errorf("asking for the file system: %w", err)
	}
	const tmpfs, ramfs = 0x01021994, 0x858458f6
	if t := uint32(fs.Type); t == tmpfs || t == ramfs {
		return fmt.Errorf("%s is in memory, where an fsync costs nothing: give -dir on a disk", b.options.dir)
	}
	made, err := os.MkdirTemp(b.options.dir, "run-")
	if err != nil {
		return fmt.Errorf("making directory: %w", err)
	}
	if b.dir, err = filepath.Abs(made); err != nil {
		return fmt.Errorf("making directory: %w", err)
	}
	b.disk, err = diskOf(b.dir)
	return err
}

func (b *bench) close() { _ = os.RemoveAll(b.dir) }

// fresh is a new directory, for one process.
func (b *bench) fresh(name string) (string, error) {
	b.serial++
	dir := filepath.Join(b.dir, fmt.Sprintf("%s-%d", name, b.serial))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making directory: %w", err)
	}
	return dir, nil
}

// pinned runs f with the generator on its own cores, away from the server's.
func (b *bench) pinned(f func() error) error {
	if err := confine(b.generator()); err != nil {
		return err
	}
	return errors.Join(f(), confine(b.cpus))
}
