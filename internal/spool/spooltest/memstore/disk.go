package memstore

import (
	"errors"
	"sync"

	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

var errMedium = errors.New("medium failed")

// disk is a file that is only appended to or replaced, with the page cache of
// an operating system in front of it.
type disk struct {
	mu   sync.Mutex
	log  []record
	era  int
	over chan struct{} // closed when the era ends

	syncs spooltest.Syncs // guards itself
}

// record is one transaction as it was written.
type record struct {
	tx      []change
	dirty   bool // handed over since the last sync
	durable bool // neither dirty nor durable: its sync failed
}

func newDisk() *disk { return &disk{over: make(chan struct{})} }

// load returns what a reader of the file sees: the page cache, durable or not.
func (d *disk) load() (im *image, era int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	im = newImage()
	for _, r := range d.log {
		for _, c := range r.tx {
			c(im)
		}
	}
	return im, d.era
}

func (d *disk) write(era int, tx []change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if era != d.era {
		return errMedium
	}
	d.log = append(d.log, record{tx: tx, dirty: true})
	return nil
}

// sync makes durable what is dirty. Where it fails, the dirty records count as
// clean and stay readable, so that a later sync passes over them.
func (d *disk) sync(era int) error {
	err := d.reach(era)
	d.mu.Lock()
	defer d.mu.Unlock()
	if era != d.era {
		return errMedium
	}
	for i := range d.log {
		if r := &d.log[i]; r.dirty {
			r.dirty, r.durable = false, err == nil
		}
	}
	return err
}

// replace writes the whole content again, syncs it and swaps it in, which makes
// durable whatever was readable.
func (d *disk) replace(era int, im *image) error {
	if err := d.reach(era); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if era != d.era {
		return errMedium
	}
	kept := im.clone()
	d.log = []record{{durable: true, tx: []change{func(im *image) { *im = *kept.clone() }}}}
	return nil
}

// reach brings a sync to the medium, through the gate and the faults.
func (d *disk) reach(era int) error {
	d.mu.Lock()
	over, ended := d.over, era != d.era
	d.mu.Unlock()
	if ended || !d.syncs.Pass(over) || d.syncs.Fails() {
		return errMedium
	}
	return nil
}

// end is a kill, or, with the page cache lost, a power cut. What lies behind
// a record that was never synced cannot be read back, as in any log.
func (d *disk) end(cacheLost bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.era++
	close(d.over)
	d.over = make(chan struct{})
	d.syncs.Reset()
	if !cacheLost {
		return
	}
	for i, r := range d.log {
		if !r.durable {
			d.log = d.log[:i]
			return
		}
	}
}
