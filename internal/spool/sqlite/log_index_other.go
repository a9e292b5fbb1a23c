//go:build !linux

package sqlite

import (
	"context"
	"time"
)

// logIndex is known on Linux only: elsewhere a store opens when no other process
// reads it.
type logIndex struct{}

// lockIndex locks nothing.
func lockIndex(context.Context, string, time.Duration) (*logIndex, error) { return nil, nil }

// invalidate is never called: lockIndex gives no index.
func (*logIndex) invalidate() error { return nil }
func (*logIndex) release()          {}

// whoReads knows no process.
func whoReads(string) string { return "another process" }
