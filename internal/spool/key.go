package spool

import (
	"crypto/sha256"
	"encoding/binary"
)

// MaxKey is how many bytes of a RouteWish.Key matter.
const MaxKey = 256

// KeyHash returns what engines keep of a RouteWish.Key: 0 for the empty one, which orders
// nothing, and else a number that is never 0. All engines use it, so that a copy of a store
// keeps the order. Two keys may, very rarely, have the same: their deliveries then wait for
// each other, which delays them and does no harm.
func KeyHash(key string) int64 {
	if key == "" {
		return 0
	}
	sum := sha256.Sum256([]byte(key[:min(len(key), MaxKey)]))
	h := int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // Any 64 bits will do.
	if h == 0 {
		return 1
	}
	return h
}
