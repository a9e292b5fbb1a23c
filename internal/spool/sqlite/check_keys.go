package sqlite

import (
	"fmt"
	"slices"
)

// keyPlace is a key of a queue, as the table has them.
type keyPlace struct{ route, key int64 }

// keys checks that one delivery holds the place of each key that has some, and that nothing
// waits behind one that is not there. Only indexes are read.
func (k *checker) keys() error {
	if k.version < orderVersion {
		return nil
	}
	queues, err := k.queues()
	if err != nil {
		return err
	}
	running := map[keyPlace]bool{}
	err = k.rows("the index of running deliveries", `SELECT route, key FROM deliveries INDEXED BY running WHERE state=2 AND key IS NOT NULL`, func(q *stmt) {
		for _, route := range queues[q.ColumnInt64(0)] {
			running[keyPlace{route, q.ColumnInt64(1)}] = true
		}
	})
	if err != nil {
		return err
	}
	err = k.rows("the index of keys", `SELECT route, key, count(*) FROM deliveries INDEXED BY heads
		WHERE key IS NOT NULL AND state IN (1, 3, 6) GROUP BY route, key`, func(q *stmt) {
		at, n := keyPlace{q.ColumnInt64(0), q.ColumnInt64(1)}, q.ColumnInt64(2)
		// Of queues that are being joined, what waits in the one is not handed out.
		if n > 1 || running[at] && len(queues[at.route]) == 1 {
			k.r.damage("route %d: more than one delivery of the key %x may go", at.route, uint64(at.key))
		}
	})
	if err != nil {
		return err
	}
	var alone []keyPlace
	err = k.rows("the index of what is behind", `SELECT DISTINCT route, key FROM deliveries b INDEXED BY behind WHERE state=8 AND NOT EXISTS
		(SELECT 1 FROM deliveries h INDEXED BY heads WHERE h.route=b.route AND h.key=b.key AND h.state IN (1, 3, 6))`, func(q *stmt) {
		if at := (keyPlace{q.ColumnInt64(0), q.ColumnInt64(1)}); !running[at] {
			alone = append(alone, at)
		}
	})
	if err != nil {
		return err
	}
	return k.stuck(alone, queues)
}

// queues returns, by the number of each queue, all that are joined with it.
func (k *checker) queues() (map[int64][]int64, error) {
	into := map[int64]int64{}
	err := k.rows("the table of routes", "SELECT route, merged FROM routes", func(q *stmt) { into[q.ColumnInt64(0)] = q.ColumnInt64(1) })
	joined := map[int64][]int64{}
	last := func(route int64) int64 {
		for n := 0; into[route] != 0 && n < len(into); n++ {
			route = into[route]
		}
		return route
	}
	for route := range into {
		joined[last(route)] = append(joined[last(route)], route)
	}
	for route := range into {
		joined[route] = joined[last(route)]
	}
	return joined, err
}

// stuck counts as damage those keys behind whose place nothing holds, in no queue that is
// joined with theirs.
func (k *checker) stuck(alone []keyPlace, queues map[int64][]int64) error {
	for _, at := range alone {
		held := false
		for _, route := range slices.DeleteFunc(slices.Clone(queues[at.route]), func(id int64) bool { return id == at.route }) {
			sql := fmt.Sprintf(`SELECT count(*) FROM deliveries INDEXED BY heads WHERE route=%d AND key=%d AND state IN (1, 3, 6)`, route, at.key)
			err := k.rows("the index of keys", sql, func(q *stmt) { held = held || q.ColumnInt64(0) > 0 })
			if err != nil {
				return err
			}
		}
		if !held {
			k.r.damage("route %d: deliveries of the key %x wait for one that is not there", at.route, uint64(at.key))
		}
	}
	return nil
}
