package memstore

import (
	"context"
	"slices"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// member is a store whose storage others may have open as well.
type member struct{ *store }

var _ spool.Shared = member{}

// Members implements spool.Shared.
func (m member) Members(ctx context.Context) ([]spool.Member, error) {
	return do(ctx, m.store, func() (all []spool.Member, err error) {
		err = m.update(true, func(tx *tx) error {
			for _, s := range tx.members {
				all = append(all, tx.member(s))
			}
			return nil
		})
		return all, err
	})
}

// member says what is known of one.
func (tx *tx) member(s *store) spool.Member {
	m := spool.Member{
		Number: s.process, Name: "process", Version: "test", Began: s.began, Seen: tx.now,
		Live: tx.alive(s), Here: s == tx.store, Settings: s.settings,
	}
	if s.gone {
		m.Seen = tx.now.Add(-tx.age + s.seen)
	}
	for n, q := range tx.im.queues {
		if s.servesQueue(n) {
			m.Serves = append(m.Serves, q.key)
		}
		if s.holds[n] != nil {
			m.Holds = append(m.Holds, q.key)
		}
	}
	for _, keys := range [][]spool.RouteKey{m.Serves, m.Holds} {
		slices.SortFunc(keys, byKey)
	}
	return m
}

// Live implements spool.Shared.
func (m member) Live(k spool.RouteKey) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, served := m.held(m.im.names[k])
	return max(served, 1)
}
