//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// idleFlushes tells how much others flush while this run does nothing.
func (d disk) idleFlushes(ctx context.Context) string {
	before := d.flushes()
	wait(ctx, time.Second)
	return fmt.Sprintf("%.0f flushes/s by others before the run", d.flushes()-before)
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

const diskName = "write 4 KiB, fdatasync"

const (
	page = 4096
	// pages that the yardstick of a disk writes in turn.
	pages = 1024
)

// fdatasyncs writes a page and makes it durable, again and again: over pages
// that exist, or at the end of a growing file, which costs the file system's
// journal as well.
func (b *bench) fdatasyncs(ctx context.Context, grow bool) (s sample, err error) {
	dir, err := b.fresh("disk")
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(dir)
	f, err := os.Create(filepath.Join(dir, "pages"))
	if err != nil {
		return s, fmt.Errorf("measuring the disk: %w", err)
	}
	defer f.Close()
	if !grow {
		if _, err := f.Write(make([]byte, pages*page)); err != nil {
			return s, fmt.Errorf("measuring the disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return s, fmt.Errorf("measuring the disk: %w", err)
		}
	}
	one := make([]byte, page)
	begin := time.Now()
	for n := 0; time.Since(begin) < b.length() && ctx.Err() == nil; n++ {
		at := int64(n)
		if !grow {
			at %= pages
		}
		one[n%page]++
		from := time.Now()
		if _, err := f.WriteAt(one, at*page); err != nil {
			return s, fmt.Errorf("measuring the disk: %w", err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return s, fmt.Errorf("measuring the disk: %w", err)
		}
		s.times = append(s.times, time.Since(from))
	}
	s.took = time.Since(begin)
	slices.Sort(s.times)
	return s, nil
}
