package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/inboxgate/inboxgate/internal/spool"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// No engine is trusted to notice a rotten page, so each event carries a CRC-32C over
// what an app would get of it: id, type, head and body. It stands behind the head,
// where versions that do not know it read past it. Its length is no power of two and no
// difference of two, so that one flipped bit in a length that stands before cannot make
// the decoder swallow it.
const (
	sumMark = 0xc5
	sumSize = 5
)

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

// DecodeWhole is DecodeHead for an event whose other fields are read already,
// and checks that all of them are what was stored. Rows of older versions have
// no checksum.
func DecodeWhole(head []byte, e *spool.Event) error {
	rest, err := DecodeHead(head, e)
	if err != nil {
		return err
	}
	if n := len(head) - sumSize; rest > 0 && binary.LittleEndian.Uint32(head[n+1:]) != eventSum(head[:n], e) {
		return fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	}
	return nil
}
