// Package storecopy moves a store from one engine to the other: a data directory into a
// database, or back.
//
// Guarantee: after Copy has returned without an error, the destination has every event,
// delivery, id and odd body that the source had, byte for byte, each route, name, mark and
// hold by hand, and goes on from the same age, so that windows and retention run on from
// where they were. All of it was read back and compared. Until then the destination cannot
// be opened as a store: a copy that broke off is begun anew by the same call.
//
// Limits: neither store may be in use. The copy has the identity of the source: it is a
// move, and the two must not both go on. What was running is running without a lease:
// it counts an attempt, and is tried again. Holds of dispatchers are left behind; they
// find out anew. Numbers of routes and events stay.
package storecopy

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// Bounds of what is written in one go, in rows and bytes.
const (
	batchRows  = 2000
	batchBytes = 8 << 20
)

// Report is what a copy has copied.
type Report struct {
	From       string `json:"from"`
	To         string `json:"to"`
	Events     int64  `json:"events"`
	Deliveries int64  `json:"deliveries"`
	IDs        int64  `json:"ids"`
	Odd        int64  `json:"quarantined"`
	Sources    int    `json:"sources"`
	Routes     int    `json:"routes"`
	Holds      int    `json:"holds"`
	// Bytes are those of bodies and what came with them.
	Bytes int64 `json:"bytes"`
}

// Step is how far a copy has come. Checking follows the copying of all.
type Step struct {
	Checking    bool
	Done, Total int64 // rows
}

// Copy copies a store. progress, which may be nil, is called with each batch.
func Copy(ctx context.Context, from, to Place, progress func(Step)) (Report, error) {
	if from == to {
		return Report{}, errors.New("copying store: both are the same place")
	}
	r, err := copyAll(ctx, from, to, progress)
	if err != nil {
		return r, fmt.Errorf("copying store: %w", err)
	}
	return r, nil
}

func copyAll(ctx context.Context, from, to Place, progress func(Step)) (r Report, err error) {
	src, err := from.open(ctx)
	if err != nil {
		return r, err
	}
	defer src.Close()
	counts, err := src.Counts(ctx)
	if err != nil {
		return r, err
	}
	head, err := src.Head(ctx)
	if err != nil {
		return r, err
	}
	dst, err := to.begin(ctx)
	if err != nil {
		return r, err
	}
	w := &work{ctx: ctx, progress: progress, total: counts.Events + counts.Deliveries + counts.IDs + counts.Odd}
	if err := w.run(src, dst, head, counts); err != nil {
		return r, errors.Join(err, dst.Close())
	}
	if err := dst.Finish(ctx); err != nil {
		return r, err
	}
	return w.report(from, to, head), nil
}

// work is one copy on its way.
type work struct {
	ctx         context.Context
	progress    func(Step)
	step        Step
	total       int64
	had, copied sums
}

// sums are those of all that was read of one store.
type sums struct{ events, deliveries, ids, odd sum }

// add counts rows for the progress.
func (w *work) add(n int) {
	w.step.Done += int64(n)
	w.step.Total = w.total
	if w.progress != nil {
		w.progress(w.step)
	}
}

// run copies all rows, reads them back and compares.
func (w *work) run(src reader, dst writer, head record.Head, counts record.Counts) error {
	if err := dst.PutHead(w.ctx, head); err != nil {
		return err
	}
	events := newBatch(w, dst.PutEvents, func(e record.EventRow) int { return len(e.Head) + len(e.Body) })
	deliveries := newBatch(w, dst.PutDeliveries, func(d record.DeliveryRow) int { return len(d.Log) })
	ids := newBatch(w, dst.PutIDs, func(i record.IDRow) int { return len(i.ID) + len(i.Digest) })
	odd := newBatch(w, dst.PutOdd, func(o record.OddRow) int { return len(o.Head) + len(o.Body) })
	if err := w.read(src, &w.had, events.put, deliveries.put, ids.put, odd.put); err != nil {
		return err
	}
	for _, flush := range []func() error{events.flush, deliveries.flush, ids.flush, odd.flush, func() error { return dst.FlushIDs(w.ctx) }} {
		if err := flush(); err != nil {
			return err
		}
	}
	if n := (record.Counts{Events: w.had.events.n, Deliveries: w.had.deliveries.n, IDs: w.had.ids.n, Odd: w.had.odd.n}); n != counts {
		return fmt.Errorf("%w: its indexes lead to %+v, and it has %+v: look at it with `inboxgate store check`", record.ErrDamaged, n, counts)
	}
	return w.check(dst, head)
}

// read reads all rows of a store, adds them to sums, and hands each to its function.
func (w *work) read(src reader, s *sums, event func(record.EventRow) error, delivery func(record.DeliveryRow) error, id func(record.IDRow) error, odd func(record.OddRow) error) error {
	if err := src.Events(w.ctx, func(e record.EventRow) error { s.events.event(e); return event(e) }); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	if err := src.Deliveries(w.ctx, func(d record.DeliveryRow) error { s.deliveries.delivery(d); return delivery(d) }); err != nil {
		return fmt.Errorf("deliveries: %w", err)
	}
	if err := src.IDs(w.ctx, func(i record.IDRow) error { s.ids.id(i); return id(i) }); err != nil {
		return fmt.Errorf("ids: %w", err)
	}
	if err := src.Odd(w.ctx, func(o record.OddRow) error { s.odd.odd(o); return odd(o) }); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	return nil
}

// check reads the destination back and compares it with what was read of the source.
func (w *work) check(dst reader, head record.Head) error {
	w.step = Step{Checking: true}
	n := 0
	count := func() error {
		if n++; n%batchRows == 0 {
			w.add(batchRows)
		}
		return nil
	}
	err := w.read(dst, &w.copied, func(record.EventRow) error { return count() }, func(record.DeliveryRow) error { return count() },
		func(record.IDRow) error { return count() }, func(record.OddRow) error { return count() })
	if err != nil {
		return fmt.Errorf("reading the copy: %w", err)
	}
	for _, c := range []struct {
		what      string
		had, have sum
	}{
		{"events", w.had.events, w.copied.events},
		{"deliveries", w.had.deliveries, w.copied.deliveries},
		{"ids", w.had.ids, w.copied.ids},
		{"entries of quarantine", w.had.odd, w.copied.odd},
	} {
		if c.had != c.have {
			return fmt.Errorf("the copy is not like the original: of %d %s it has %d, and their sums differ", c.had.n, c.what, c.have.n)
		}
	}
	have, err := dst.Head(w.ctx)
	if err != nil {
		return fmt.Errorf("reading the copy: %w", err)
	}
	if have.Last >= head.Last {
		have.Last = head.Last // The engines count other things by the same numbers.
	}
	if !reflect.DeepEqual(have, head) {
		return errors.New("the copy is not like the original: its sources, routes, names or marks differ")
	}
	return nil
}

// report says what was copied.
func (w *work) report(from, to Place, head record.Head) Report {
	r := Report{
		From: from.String(), To: to.String(), Events: w.had.events.n, Deliveries: w.had.deliveries.n, IDs: w.had.ids.n, Odd: w.had.odd.n,
		Sources: len(head.Sources), Bytes: w.had.events.bytes + w.had.odd.bytes,
	}
	for _, rt := range head.Routes {
		if rt.Merged == 0 {
			r.Routes++
		}
		if rt.Hold != "" {
			r.Holds++
		}
	}
	return r
}

// batch gathers rows until there are enough to write.
type batch[T any] struct {
	w     *work
	write func(context.Context, []T) error
	size  func(T) int
	rows  []T
	bytes int
}

func newBatch[T any](w *work, write func(context.Context, []T) error, size func(T) int) *batch[T] {
	return &batch[T]{w: w, write: write, size: size}
}

// put adds a row.
func (b *batch[T]) put(v T) error {
	b.rows = append(b.rows, v)
	if b.bytes += b.size(v); len(b.rows) >= batchRows || b.bytes >= batchBytes {
		return b.flush()
	}
	return nil
}

// flush writes what has gathered.
func (b *batch[T]) flush() error {
	if len(b.rows) == 0 {
		return nil
	}
	n := len(b.rows)
	err := b.write(b.w.ctx, b.rows)
	b.rows, b.bytes = b.rows[:0], 0
	if err == nil {
		b.w.add(n)
	}
	return err
}
