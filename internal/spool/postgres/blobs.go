package postgres

import (
	"encoding/binary"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"
)

// blobs is a parameter of type bytea[]. The driver appends one element after the other to
// a buffer that it gives up after each batch, and so copies the bodies of a batch several
// times; of blobs the size is known before.
type blobs [][]byte

// blobsCodec is the driver's codec of bytea[], with blobs beside what that takes.
type blobsCodec struct{ pgtype.ArrayCodec }

// registerBlobs makes blobs known to a connection.
func registerBlobs(m *pgtype.Map) {
	if element, ok := m.TypeForOID(pgtype.ByteaOID); ok {
		m.RegisterType(&pgtype.Type{Name: "_bytea", OID: pgtype.ByteaArrayOID, Codec: &blobsCodec{pgtype.ArrayCodec{ElementType: element}}})
	}
}

// PlanEncode implements pgtype.Codec.
func (c *blobsCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(blobs); ok && format == pgtype.BinaryFormatCode {
		return blobsPlan{}
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

type blobsPlan struct{}

// Encode implements pgtype.EncodePlan: one dimension from 1, and of each element its
// length and bytes.
func (blobsPlan) Encode(value any, buf []byte) ([]byte, error) {
	all := value.(blobs)
	size := 5 * 4
	for _, b := range all {
		size += 4 + len(b)
	}
	buf = slices.Grow(buf, size)
	for _, head := range []uint32{1, 0, pgtype.ByteaOID, uint32(len(all)), 1} { // No element is NULL.
		buf = binary.BigEndian.AppendUint32(buf, head)
	}
	for _, b := range all {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(b)))
		buf = append(buf, b...)
	}
	return buf, nil
}
