package sqlite

// maxKeysKnown is how many keys a keyCount keeps: what waits has no bound, memory has.
const maxKeysKnown = 4096

// keyCount counts deliveries, and while they are few also those of each key, so that most
// questions about a key need no query. It belongs to the writer.
type keyCount struct {
	total int64
	// of counts those of each key, unless some were counted without theirs.
	of     map[int64]int
	partly bool
}

// add counts n deliveries in whose keys are not known.
func (c *keyCount) add(n int64) {
	if c.total += n; c.total > 0 && n > 0 {
		c.partly, c.of = true, nil
	}
}

// in counts a delivery in.
func (c *keyCount) in(key int64) {
	if c.total++; c.partly {
		return
	}
	if c.of == nil {
		c.of = map[int64]int{}
	}
	if c.of[key]++; len(c.of) > maxKeysKnown {
		c.partly, c.of = true, nil
	}
}

// out counts a delivery out. With none left, all is known again.
func (c *keyCount) out(key int64) {
	if c.total--; c.total == 0 {
		c.partly, c.of = false, nil
		return
	}
	if c.partly {
		return
	}
	if c.of[key]--; c.of[key] == 0 {
		delete(c.of, key)
	}
}

// has reports whether a delivery of a key is among them, if sure.
func (c *keyCount) has(key int64) (has, sure bool) {
	if c.total == 0 || !c.partly {
		return c.of[key] > 0, true
	}
	return true, false
}
