//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// engineSide is what one side of a row without HTTP is: some processes with one store.
type engineSide struct {
	name string
	// kind is that of each process, of which there are several.
	kind      string
	processes int
	batches   int
	// callers are those of all processes together.
	callers int
	// life settles each event as well.
	life bool
	// keys orders what is delivered, see engine.keys, where orders is set.
	keys   int
	orders bool
	// known are how many ids the database has before.
	known int
}

// engineRun are the processes of a side while it is measured.
type engineRun struct {
	engineSide
	b     *bench
	db    *database // nil for the embedded engine
	procs []*process
	addrs []string
}

// open starts the processes of a side.
func (b *bench) openEngines(ctx context.Context, e engineSide, db *database) (r *engineRun, err error) {
	r = &engineRun{engineSide: e, b: b}
	var at string
	if e.kind == kindEmbedded {
		dir, err := b.fresh("embedded")
		if err != nil {
			return nil, err
		}
		at = filepath.Join(dir, "store")
	} else {
		r.db = db
		if at = db.url(); e.known == 0 {
			err = db.anew()
		}
		if err != nil {
			return nil, err
		}
	}
	for i := range e.processes {
		addr, err := freeAddress()
		if err != nil {
			return nil, errors.Join(err, r.stop())
		}
		args := []string{"engine", "-kind", e.kind, "-at", at, "-addr", addr, "-batches", strconv.Itoa(max(1, e.batches))}
		if e.orders {
			args = append(args, "-keys", strconv.Itoa(e.keys))
		}
		if b.profile != "" {
			args = append(args, "-profile", filepath.Join(b.profile, fmt.Sprintf("%s-%d.pprof", e.kind, i)))
		}
		p, err := start(ctx, e.name, command{path: b.self, args: args, cpus: b.both(), env: []string{"HOME=" + b.dir}})
		if err != nil {
			return nil, errors.Join(err, r.stop())
		}
		r.procs, r.addrs = append(r.procs, p), append(r.addrs, addr)
		if err := p.listening(ctx, addr); err != nil {
			return nil, errors.Join(err, r.stop())
		}
	}
	return r, nil
}

func (r *engineRun) stop() error {
	for _, p := range r.procs {
		p.stop()
	}
	return nil
}

// ask has every process do something at the same time.
func (r *engineRun) ask(ctx context.Context, what string, with url.Values) (all []ran, err error) {
	all = make([]ran, len(r.addrs))
	errs := make([]error, len(r.addrs))
	var wg sync.WaitGroup
	for i, addr := range r.addrs {
		wg.Go(func() {
			errs[i] = post(ctx, "http://"+addr+what+"?"+with.Encode(), &all[i])
			if errs[i] == nil && all[i].Why != "" {
				errs[i] = errors.New(all[i].Why)
			}
		})
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

func post(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", address, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// engines measures a side without HTTP: after a warm-up so many callers store new
// events, and all that they did is counted again at the end.
func (b *bench) engines(ctx context.Context, e engineSide, db *database) (f figures, err error) {
	flushed := float64(0)
	r, err := b.openEngines(ctx, e, db)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	if r.db != nil {
		flushed = r.db.syncs()
	}
	if _, err := r.run(ctx, b.length()/warm); err != nil {
		return f, err
	}
	if err := rest(ctx, r.procs); err != nil {
		return f, err
	}
	before, err := b.read(&side{procs: r.procs, db: r.db})
	if err != nil {
		return f, err
	}
	all, err := r.run(ctx, b.length())
	if err != nil {
		return f, err
	}
	after, err := b.read(&side{procs: r.procs, db: r.db})
	if err != nil {
		return f, err
	}
	var taken sample
	accepted := int64(0)
	for _, x := range all {
		taken.times, taken.took = append(taken.times, x.Times...), max(taken.took, x.Took)
		accepted += x.Accepted
	}
	slices.Sort(taken.times)
	f = timed(taken)
	f.used(before, after, f.Events)
	f.durable(e.callers, goalBody)
	if err := r.stop(); err != nil || r.db == nil {
		return f, err
	}
	return f, r.check(&f, accepted, flushed)
}

// run has all callers store events for a time, and in a whole life waits for the end of
// all deliveries.
func (r *engineRun) run(ctx context.Context, length time.Duration) ([]ran, error) {
	with := url.Values{"length": {length.String()}, "callers": {strconv.Itoa(r.callers / r.processes)}}
	if !r.life {
		return r.ask(ctx, "/run", with)
	}
	with.Set("life", "yes")
	began := time.Now()
	all, err := r.ask(ctx, "/run", with)
	if err == nil {
		_, err = r.ask(ctx, "/settled", nil)
	}
	if r.orders { // What counts is when the last has arrived.
		for i := range all {
			all[i].Took = time.Since(began)
		}
	}
	return all, err
}

// check counts the tables once the processes have ended, and how often the server has
// flushed for them.
func (r *engineRun) check(f *figures, accepted int64, flushed float64) error {
	c, err := r.db.count()
	if err != nil {
		return err
	}
	delivered := int64(0)
	if r.life {
		delivered = accepted
	}
	if why := c.void(r.db.before, accepted, delivered); why != "" && f.Void == "" {
		f.Void = why
	}
	r.db.before += accepted
	if now := r.db.syncs(); now != unknown && flushed != unknown {
		f.Syncs = (now - flushed) / float64(accepted)
	}
	return nil
}
