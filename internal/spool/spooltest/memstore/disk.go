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
	mu  sync.Mutex
	log []record

	syncs spooltest.Syncs // guards itself
}

// record is one transaction as it was written.
type record struct {
	tx      []change
	dirty   bool // handed over since the last sync
	durable bool // neither dirty nor durable: its sync failed
}

// process is one that writes to a disk.
type process struct {
	ended bool          // guarded by the disk
	over  chan struct{} // closed when it ends
}

func newProcess() *process { return &process{over: make(chan struct{})} }

// load returns what a reader of the file sees: the page cache, durable or not.
func (d *disk) load() *image {
	d.mu.Lock()
	defer d.mu.Unlock()
	im := newImage()
	for _, r := range d.log {
		for _, c := range r.tx {
			c(im)
		}
	}
	return im
}

func (d *disk) write(p *process, tx []change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.ended {
		return errMedium
	}
	d.log = append(d.log, record{tx: tx, dirty: true})
	return nil
}

// sync makes durable what is dirty. Where it fails, the dirty records count as
// clean and stay readable, so that a later sync passes over them.
func (d *disk) sync(p *process) error {
	err := d.reach(p)
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.ended {
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
func (d *disk) replace(p *process, im *image) error {
	if err := d.reach(p); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.ended {
		return errMedium
	}
	kept := im.clone()
	d.log = []record{{durable: true, tx: []change{func(im *image) { *im = *kept.clone() }}}}
	return nil
}

// reach brings a sync to the medium, through the gate and the faults.
func (d *disk) reach(p *process) error {
	d.mu.Lock()
	ended := p.ended
	d.mu.Unlock()
	if ended || !d.syncs.Pass(p.over) || d.syncs.Fails() {
		return errMedium
	}
	return nil
}

// kill ends a process.
func (d *disk) kill(p *process) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !p.ended {
		p.ended = true
		close(p.over)
	}
}

// cut loses the page cache. What lies behind a record that was never synced cannot be
// read back, as in any log.
func (d *disk) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, r := range d.log {
		if !r.durable {
			d.log = d.log[:i]
			return
		}
	}
}
