package sqlite

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// image is a store's files at one moment, as the page cache and as the disk
// hold them, with what had been said to callers by then.
type image struct {
	db, wal mediumFile
	synced  int   // bytes of the log that answers depend on
	seq     int64 // the mark
	said    []said
}

// said is one event that was acknowledged.
type said struct {
	event *spool.Event
	// settled says that its delivery to a was told to be delivered; kept, that
	// a sync has followed.
	settled, kept bool
}

// images are the moments of some short lives of a store.
func images(t testing.TB) []image {
	var all []image
	for _, lim := range []limits{{}, tiny} {
		e := newEngine(t)
		e.lim = lim
		var acked []said
		for life := range int64(3) {
			all = append(all, lifeOf(t, e, life, &acked)...)
		}
	}
	return all
}

// lifeOf works on the store for a while and takes an image after each step. The
// first life ends well, so that the others find a database with rows.
func lifeOf(t testing.TB, e *engine, life int64, acked *[]said) (all []image) {
	e.boot = e.m.start(e.shm)
	s, err := Open(e.dir, Options{vfs: e.boot.name, limits: e.lim})
	if err != nil {
		t.Fatal(err)
	}
	e.st = s
	synced := len(e.m.files[s.path+"-wal"].cur)
	all = append(all, e.image(synced, *acked))
	for n := range int64(6) {
		ev := benchEvent(life*100 + n)
		ev.Request.Body = bytes.Repeat(fmt.Appendf(nil, "body %d.%d ", life, n), int(1+n*n*20))
		rc, err := s.Accept(bg, spool.Intake{
			Event: ev, Owner: "o", LeaseFor: time.Hour,
			Routes: []spool.RouteWish{{Route: "a", Start: true}, {Route: "b"}},
		})
		if err != nil || len(rc.Running) == 0 && life == 0 {
			t.Fatalf("accepting: %+v, %v", rc, err)
		}
		for i := range *acked {
			(*acked)[i].kept = (*acked)[i].settled
		}
		*acked = append(*acked, said{event: ev})
		synced = len(e.m.files[s.path+"-wal"].cur)
		all = append(all, e.image(synced, *acked))
		if len(rc.Running) == 0 {
			continue
		}
		if err := s.Settle(bg, spool.Settlement{Lease: rc.Running[0].Lease, State: spool.Delivered}); err != nil {
			t.Fatal(err)
		}
		(*acked)[len(*acked)-1].settled = true
		all = append(all, e.image(synced, *acked))
	}
	if life == 0 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for i := range *acked {
			(*acked)[i].kept = (*acked)[i].settled
		}
		all = append(all, e.image(0, *acked))
	}
	e.Kill(t)
	return all
}

// image copies the medium as it is. Between two steps nothing writes.
func (e *engine) image(synced int, acked []said) image {
	e.m.mu.Lock()
	defer e.m.mu.Unlock()
	im := image{synced: synced, said: append([]said(nil), acked...)}
	im.seq = e.st.mark.last
	im.db = e.m.files[e.st.path].clone()
	im.wal = e.m.files[e.st.path+"-wal"].clone()
	return im
}

func (f *mediumFile) clone() mediumFile {
	c := mediumFile{cur: bytes.Clone(f.cur), stable: bytes.Clone(f.stable), dirty: map[int64]bool{}}
	for p := range f.dirty {
		c.dirty[p] = true
	}
	return c
}

// after is what the disk holds after an end. Of a power cut, keep says page by
// page what had reached it unsynced.
func (f *mediumFile) after(powerCut bool, keep func() bool) []byte {
	if !powerCut {
		return bytes.Clone(f.cur)
	}
	c := f.clone()
	for p := int64(0); p*cachePage < int64(len(c.cur)); p++ {
		if c.dirty[p] && keep() {
			c.flush(p)
		}
	}
	return c.stable
}

// protected is the part of the log that must not have changed. After a power cut
// the disk may still hold a log that was emptied: its pages come again, all or
// none.
func (im *image) protected(powerCut bool) []byte {
	if !powerCut {
		return im.wal.cur[:im.synced]
	}
	if len(im.wal.stable) > len(im.wal.cur) {
		return im.wal.stable
	}
	return im.wal.stable[:im.synced]
}
