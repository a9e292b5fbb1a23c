package storecopy

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// sum is of a set of rows, in whatever order they come: how many there are, and the sum of
// their SHA-256.
type sum struct {
	n, bytes int64
	total    [4]uint64
}

// row is one row on its way into a sum.
type row struct{ h hash.Hash }

func newRow() row { return row{sha256.New()} }

func (r row) numbers(all ...int64) row {
	for _, v := range all {
		r.h.Write(binary.LittleEndian.AppendUint64(nil, uint64(v)))
	}
	return r
}

func (r row) texts(all ...string) row {
	for _, v := range all {
		r.numbers(int64(len(v))).h.Write([]byte(v))
	}
	return r
}

func (r row) bytes(all ...[]byte) row {
	for _, v := range all {
		r.numbers(int64(len(v))).h.Write(v)
	}
	return r
}

// add adds a row with so many bytes of bodies.
func (s *sum) add(r row, bytes int) {
	s.n++
	s.bytes += int64(bytes)
	digest := r.h.Sum(nil)
	for i := range s.total {
		s.total[i] += binary.LittleEndian.Uint64(digest[8*i:])
	}
}

func (s *sum) event(e record.EventRow) {
	s.add(newRow().numbers(e.Seq, e.At, e.Source).texts(e.ID, e.Type).bytes(e.Head, e.Body), len(e.Head)+len(e.Body))
}

func (s *sum) delivery(d record.DeliveryRow) {
	s.add(newRow().numbers(d.Number, d.Route, d.Key, int64(d.State), int64(d.Attempts), int64(d.Replay), d.Due, d.Ended).texts(d.Reason).bytes(d.Log), 0)
}

func (s *sum) id(i record.IDRow) {
	s.add(newRow().numbers(i.Source, i.Seq, i.Created, record.WholeSeconds(i.Base), int64(i.Conflicts)).texts(i.ID).bytes(i.Digest), 0)
}

func (s *sum) odd(o record.OddRow) {
	s.add(newRow().numbers(o.Number, o.At, o.Source, int64(o.Copies), o.Size).texts(o.Reason, o.ID, o.Type).bytes(o.Digest, o.Head, o.Body), len(o.Head)+len(o.Body))
}
