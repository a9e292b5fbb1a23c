package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

var errLater = errors.New("not part of this engine yet")

func (s *Store) Discard(ctx context.Context, seq int64, route string) (int, error) { return 0, errLater }
func (s *Store) Redeliver(ctx context.Context, seq int64, route string) (int, error) {
	return 0, errLater
}
func (s *Store) DiscardOdd(ctx context.Context, entry int64) error { return errLater }
func (s *Store) Records(ctx context.Context, q spool.Query) (spool.Page, error) {
	return spool.Page{}, errLater
}
func (s *Store) Routes(ctx context.Context) ([]spool.RouteState, error) { return nil, errLater }
func (s *Store) Count(ctx context.Context, q spool.Query, within time.Duration) (spool.Count, error) {
	return spool.Count{}, errLater
}
