package rig

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Long says that the long form of the tests is asked for.
func Long() bool { return os.Getenv("INBOXGATE_LONG") != "" }

// Rounds is long in the long form, a quarter of short (at least 2) under
// -short, and short otherwise.
func Rounds(short, long int) int {
	switch {
	case Long():
		return long
	case testing.Short():
		return max(2, short/4)
	}
	return short
}

// Seed is INBOXGATE_SEED, or else a random one. It tells the test's log how to
// repeat it.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("INBOXGATE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("INBOXGATE_SEED: %v", err)
		}
	}
	t.Logf("repeat with INBOXGATE_SEED=%d", seed)
	return seed
}
