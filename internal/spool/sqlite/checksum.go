package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// SQLite does not check the pages of a database, so each event carries a CRC-32C over
// what an app would get of it: id, type, head and body. It stands behind the head,
// where versions that do not know it read past it. Its length is no power of two and no
// difference of two, so that one flipped bit in a length that stands before cannot make
// the decoder swallow it.
const (
	sumMark = 0xc5
	sumSize = 5
)

const reasonDamaged = "stored event is damaged"

// eventSum returns the checksum. A zero byte between id and type keeps their border in it.
func eventSum(head []byte, e *spool.Event) uint32 {
	h := crc32.Update(0, castagnoli, head)
	h = crc32.Update(h, castagnoli, []byte(e.ID))
	h = crc32.Update(h, castagnoli, []byte{0})
	h = crc32.Update(h, castagnoli, []byte(e.Type))
	return crc32.Update(h, castagnoli, e.Request.Body)
}

// appendSum appends the mark and the checksum of all that stands before.
func appendSum(head []byte, e *spool.Event) []byte {
	sum := eventSum(head, e)
	return binary.LittleEndian.AppendUint32(append(head, sumMark), sum)
}

// decodeWhole is decodeHead for an event whose other fields are read already,
// and checks that all of them are what was stored. Rows of older versions have
// no checksum.
func decodeWhole(head []byte, e *spool.Event) error {
	rest, err := decodeHead(head, e)
	if err != nil {
		return err
	}
	if n := len(head) - sumSize; rest > 0 && binary.LittleEndian.Uint32(head[n+1:]) != eventSum(head[:n], e) {
		return fmt.Errorf("%w: its checksum is wrong", errEncoding)
	}
	return nil
}

// isDamage reports whether err is about the bytes of what was read, and not about the
// reading.
func isDamage(err error) bool {
	return errors.Is(err, errEncoding) || errors.Is(err, sqlite3.CORRUPT)
}

// settleDamaged makes dead letters of leased deliveries whose events cannot be read,
// and returns the others. A damaged event is logged and shown as one, and keeps nothing
// else waiting: left in its queue it would be the oldest there for ever.
func (s *Store) settleDamaged(ctx context.Context, ds []spool.Delivery) ([]spool.Delivery, error) {
	good := ds[:0:0]
	var dead []spool.Lease
	for _, d := range ds {
		if d.Event != nil {
			good = append(good, d)
			continue
		}
		dead = append(dead, d.Lease)
		s.log.Error("a stored event is damaged; its delivery is a dead letter",
			"event", d.Lease.Delivery>>ordinalBits, "source", d.Route.Source, "route", d.Route.Route)
	}
	if len(dead) == 0 {
		return ds, nil
	}
	err := s.submit(ctx, true, 0, func(w *writer) error {
		for _, l := range dead {
			mine := w.lookupLease(l)
			if mine == nil {
				continue
			}
			st := spool.Settlement{
				Lease: l, State: spool.Dead, Reason: reasonDamaged,
				Attempt: spool.Attempt{N: int(mine.attempts) + 1, Start: w.clock.Wall(), Error: reasonDamaged, Free: true},
			}
			if err := w.settle(mine, st); err != nil {
				return err
			}
		}
		return nil
	})
	return good, err
}
