package postgres

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/jackc/pgx/v5"
)

// orderedSince is the version of the tables whose programs know of order. Where an older
// one ends the head of a key, it promotes nothing: during an upgrade every member looks for
// such keys. Order is promised once no older member is left.
const orderedSince = 2

// mender goes round through the keys that something is behind in, for those without a head.
type mender struct {
	mu sync.Mutex // guards at; never held across I/O
	// at is the key that was looked at last.
	at keyed
}

// firstKey is before all keys, which are numbers of either sign.
var firstKey = keyed{key: math.MinInt64}

// mendStep is how many keys are looked at in one transaction.
const mendStep = 1000

// keysBehind are keys behind $2 of route $1 in which something is behind, and whether their
// route has their head. It goes from key to key, however many deliveries each has.
var keysBehind = `WITH RECURSIVE k AS (
	(SELECT route, key FROM @.deliveries WHERE state=8 AND (key,route)>($2::bigint,$1::bigint) ORDER BY key, route LIMIT 1)
	UNION ALL SELECT n.route, n.key FROM k CROSS JOIN LATERAL (SELECT route, key FROM @.deliveries d WHERE d.state=8 AND (d.key,d.route)>(k.key,k.route) ORDER BY d.key, d.route LIMIT 1) n)
SELECT k.route, k.key, ` + fmt.Sprintf(hasHead, "ARRAY[k.route]", "k.key") + ` FROM (SELECT * FROM k LIMIT $3) k`

// mend promotes what is behind where there is no head. Beside members that all know of
// order it finds nothing, and looks at a few keys a time.
func (s *Store) mend(ctx context.Context) error {
	for {
		s.mender.mu.Lock()
		at := s.mender.at
		s.mender.mu.Unlock()
		next, orphans, more, err := s.findOrphans(ctx, at)
		if err != nil {
			return err
		}
		if err := s.promoteOrphans(ctx, orphans); err != nil {
			return err
		}
		s.mender.mu.Lock()
		s.mender.at = next
		s.mender.mu.Unlock()
		if !more || !s.fleet.hasOlder(orderedSince) {
			return nil
		}
	}
}

// findOrphans looks at the keys behind one, and returns those without a head, and where to
// go on.
func (s *Store) findOrphans(ctx context.Context, at keyed) (next keyed, orphans []keyed, more bool, err error) {
	err = s.beats.run(ctx, true, func() *trip {
		t := s.relaxedly()
		t.do(keysBehind, at.route, at.key, mendStep).Query(func(rows pgx.Rows) error {
			n := 0
			next, orphans = firstKey, nil
			for ; rows.Next(); n++ {
				var k keyed
				var headed bool
				if err := rows.Scan(&k.route, &k.key, &headed); err != nil {
					return err
				}
				if next = k; !headed {
					orphans = append(orphans, k)
				}
			}
			if more = n == mendStep; !more {
				next = firstKey // All were looked at: from the first on next time.
			}
			return rows.Err()
		})
		return t
	})
	return next, orphans, more, err
}

// promoteOrphans gives keys a head that have none, once it has their locks.
func (s *Store) promoteOrphans(ctx context.Context, orphans []keyed) error {
	if len(orphans) == 0 {
		return nil
	}
	keys := make([]int64, len(orphans))
	for i, k := range orphans {
		keys[i] = k.key
	}
	var promoted *promotion
	err := s.beats.run(ctx, true, func() *trip {
		t := s.relaxedly()
		t.lockKeys(keys)
		promoted = t.promote(orphans, s.clock.read().now)
		return t
	})
	if err == nil {
		s.notePromoted(promoted)
	}
	return err
}
