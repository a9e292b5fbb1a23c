//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/inboxgate/inboxgate/verify"
)

var errMismatch = errors.New("the signature does not match")

// signature is row s: checking a signature, beside crypto/hmac over the same
// bytes, made anew for each body as an app would, and kept and reset.
func signature(ctx context.Context, b *bench) (out outcome, err error) {
	v, err := verify.New(verify.Secret{Key: []byte(secret)})
	if err != nil {
		return out, err
	}
	for _, size := range []int{goalBody, 16 << 10} {
		body := bytes.Repeat([]byte("b"), size)
		value := verify.Sign([]byte(secret), body)
		kept := hmac.New(sha256.New, []byte(secret))
		checks := []struct {
			name  string
			check func() error
		}{
			{"crypto/hmac, one for each body", func() error { return checkAnew(body, value) }},
			{"crypto/hmac, kept and reset", func() error { return checkAgain(kept, body, value) }},
			{"verify", func() error { _, err := v.Verify(body, value); return err }},
		}
		var all []*series
		for _, c := range checks {
			all = append(all, &series{Name: c.name, Setting: fmt.Sprintf("%d B", size), Body: size})
		}
		for round := range 2*b.rounds + 1 { // Cheap, and short enough to be disturbed.
			for k := range checks {
				i := (k + round) % len(checks)
				f, err := checking(ctx, b.length()/20, checks[i].check)
				if err != nil {
					return out, fmt.Errorf("%s: %w", checks[i].name, err)
				}
				all[i].add(f)
			}
		}
		what := fmt.Sprintf("check a signature, %d B", size)
		out.Series = append(out.Series, all...)
		out.Comparisons = append(
			out.Comparisons,
			compare(what, nanos, all[0], all[2], atMost(1.2, "≤ 1.2×")),
			compare(what, nanos, all[1], all[2], atMost(1.2, "≤ 1.2×")),
			compare(what, allocs, all[0], all[2], none("none")),
		)
		for i := range 3 {
			out.Comparisons[len(out.Comparisons)-1-i].Brief = fmt.Sprintf("signature, %d B", size)
		}
	}
	return out, nil
}

// checking measures one check over and over, by the CPU time of its thread, so
// that others' work costs it nothing. What the collector does on other threads
// for a side that allocates is not counted, to the advantage of that side.
func checking(ctx context.Context, length time.Duration, check func() error) (f figures, err error) {
	const batch = 64 // checks between two looks at the clock
	var from, to runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&from)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n, begin, spent := 0, time.Now(), threadTime()
	for time.Since(begin) < length && ctx.Err() == nil {
		for range batch {
			if err := check(); err != nil {
				return f, err
			}
		}
		n += batch
	}
	spent = threadTime() - spent
	runtime.ReadMemStats(&to)
	f = blank()
	f.Events = n
	f.Nanos = float64(spent.Nanoseconds()) / float64(n)
	// The runtime itself allocates a little now and then.
	f.Allocs = float64((to.Mallocs - from.Mallocs) / uint64(max(1, n)))
	return f, ctx.Err()
}

// threadTime is the CPU time that the calling thread has used.
func threadTime() time.Duration {
	const thisThread = 1 // RUSAGE_THREAD
	var r syscall.Rusage
	_ = syscall.Getrusage(thisThread, &r) // It fails only for an unknown whom.
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// checkAnew is what an app would write.
func checkAnew(body []byte, value string) error {
	return matches(hmac.New(sha256.New, []byte(secret)), body, value)
}

// checkAgain is the hardest yardstick: the key has been hashed already.
func checkAgain(mac hash.Hash, body []byte, value string) error {
	mac.Reset()
	return matches(mac, body, value)
}

func matches(mac hash.Hash, body []byte, value string) error {
	_, _ = mac.Write(body) // A hash never fails.
	got, err := hex.DecodeString(strings.TrimPrefix(value, "sha256="))
	if err != nil {
		return fmt.Errorf("reading signature: %w", err)
	}
	if !hmac.Equal(mac.Sum(nil), got) {
		return errMismatch
	}
	return nil
}
