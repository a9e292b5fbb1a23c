package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Hold implements spool.Store.
func (s *Store) Hold(ctx context.Context, o spool.Owner, k spool.RouteKey, h spool.Hold) error {
	return s.setHold(ctx, o, k, &h)
}

// Resume implements spool.Store.
func (s *Store) Resume(ctx context.Context, o spool.Owner, k spool.RouteKey) error {
	return s.setHold(ctx, o, k, nil)
}

// setHold replaces the hold of a route, nil for none. A dispatcher's is the row of its
// member; an operator's is row 0, and ends those of all members when it is resumed: an
// operator who resumes wants the app tried. It may name a route that has no queue yet.
func (s *Store) setHold(ctx context.Context, o spool.Owner, k spool.RouteKey, h *spool.Hold) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.exit()
	refused := false
	err := s.changeNames(ctx, k.Source, func(ctx context.Context, e *edit) error {
		refused = false
		if e.names[k.Route] == nil {
			if err := e.make(ctx, k.Route); err != nil {
				return err
			}
		}
		id := e.names[k.Route].id
		byHand, mine, err := e.holds(ctx, id)
		if err != nil {
			return err
		}
		now := mine
		if byHand != nil {
			now = byHand
		}
		if refused = !o.MayChange(now, h); refused {
			return nil
		}
		return e.setHold(ctx, id, o == "" || h != nil && h.ByHand, h)
	})
	switch {
	case err != nil:
		return fmt.Errorf("writing hold: %w", err)
	case refused:
		return spool.ErrHoldChanged
	}
	if rt := s.catalog.route(k); rt != nil {
		s.tell(rt.id, func(*hint) {})
	}
	return nil
}

// holds returns the operator's hold of a route and this member's, nil for none.
func (e *edit) holds(ctx context.Context, id int64) (byHand, mine *spool.Hold, err error) {
	for _, of := range []struct {
		member int64
		h      **spool.Hold
	}{{0, &byHand}, {e.s.me, &mine}} {
		var text string
		err := e.tx.QueryRow(ctx, e.s.sql(`SELECT hold FROM @.holds WHERE route=$1 AND member=$2`), id, of.member).Scan(&text)
		if errors.Is(err, pgx.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		*of.h = &spool.Hold{}
		if err := json.Unmarshal([]byte(text), *of.h); err != nil {
			return nil, nil, err
		}
	}
	return byHand, mine, nil
}

// setHold writes a hold or the end of one.
func (e *edit) setHold(ctx context.Context, id int64, operator bool, h *spool.Hold) error {
	member := e.s.me
	if operator && (h == nil || h.ByHand) {
		member = 0
	}
	if h == nil {
		sql := `DELETE FROM @.holds WHERE route=$1 AND ($2=0 OR member=$2)`
		_, err := e.tx.Exec(ctx, e.s.sql(sql), id, member)
		return err
	}
	if operator { // What was there, of whomever, is replaced.
		if _, err := e.tx.Exec(ctx, e.s.sql(`DELETE FROM @.holds WHERE route=$1 AND (member=0 OR $2)`), id, !h.ByHand); err != nil {
			return err
		}
	}
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, err = e.tx.Exec(ctx, e.s.sql(`INSERT INTO @.holds VALUES ($1, $2, $3) ON CONFLICT (route, member) DO UPDATE SET hold=excluded.hold`), id, member, string(text))
	return err
}

// HeldByHand implements spool.Store.
func (s *Store) HeldByHand(k spool.RouteKey) (spool.Hold, bool) {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	rt := c.names[k]
	if rt == nil || rt.byHand == nil {
		return spool.Hold{}, false
	}
	return *rt.byHand, true
}
