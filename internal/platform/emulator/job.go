package emulator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

const (
	maxCount   = 100_000 // events of one job
	maxRate    = 100_000 // events a second
	maxWorking = 16      // jobs at the same time
	maxJobs    = 100     // jobs that State shows
	// maxPending bounds the deliveries not yet delivered or failed: jobs wait.
	maxPending = 100_000
)

// job is a Job that may still run. The emulator's mu guards it.
type job struct{ Job }

// working reports whether a job runs. The caller holds the emulator's mu.
func (r *round) working() bool {
	return slices.ContainsFunc(r.jobs, func(j *job) bool { return !j.Done })
}

// Send starts a job that makes events, and returns at once. An error is a
// *platform.APIError, or ErrClosed.
func (e *Emulator) Send(s SendRequest) (Job, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return Job{}, ErrClosed
	}
	if err := e.checkSend(&s); err != nil {
		return Job{}, err
	}
	r := e.round
	running := 0
	for _, j := range r.jobs {
		if !j.Done {
			running++
		}
	}
	if running >= maxWorking {
		return Job{}, refusal(http.StatusTooManyRequests, "too_many_jobs", "%d jobs run already: wait for one to end", maxWorking)
	}
	r.made++
	if s.Seed == 0 {
		s.Seed = e.seed(r.made)
	}
	j := &job{Job: Job{ID: fmt.Sprintf("job_%d", r.made), Seed: s.Seed, Planned: s.Count}}
	if len(r.jobs) >= maxJobs {
		first := slices.IndexFunc(r.jobs, func(j *job) bool { return j.Done })
		r.jobs = slices.Delete(r.jobs, first, first+1)
	}
	r.jobs = append(r.jobs, j)
	e.wg.Go(func() { e.work(r, j, s) })
	return j.Job, nil
}

// SendAll starts a job as Send does and waits as Wait does: it returns when all that was sent, by this job or
// another, is delivered, failed or cancelled. An Emulator that was not started
// delivers nothing.
func (e *Emulator) SendAll(ctx context.Context, s SendRequest) (Job, error) {
	j, err := e.Send(s)
	if err != nil {
		return j, err
	}
	if err := e.Wait(ctx); err != nil {
		return j, err
	}
	j.Made, j.Done = j.Planned, true
	return j, nil
}

// seed returns the seed of a job that names none. It fits the numbers of any JSON
// reader, which are exact up to 2^53.
func (e *Emulator) seed(job int) uint64 {
	if e.opts.Seed != 0 {
		return e.opts.Seed + uint64(job) - 1
	}
	return 1 + rand.Uint64N(1<<53-1)
}

// work makes the events of a job and records how it ended.
func (e *Emulator) work(r *round, j *job, s SendRequest) {
	err := e.makeAll(r, j, s)
	e.mu.Lock()
	defer e.mu.Unlock()
	j.Done = true
	if err != nil && r.ctx.Err() == nil {
		j.Error = tidy(err.Error())
	}
	e.changed.Broadcast()
}

// makeAll makes the events of a job, one after the other, at the rate asked for.
func (e *Emulator) makeAll(r *round, j *job, s SendRequest) error {
	began, p := time.Now(), newPlan(s)
	var held []heldBack
	for n := range s.Count {
		if s.Rate > 0 {
			if err := sleep(r.ctx, time.Until(began.Add(time.Duration(float64(n)/s.Rate*float64(time.Second))))); err != nil {
				return err
			}
		}
		if err := e.until(r.ctx, func() bool { return r.counts.Pending < maxPending }); err != nil {
			return err
		}
		c := p.next()
		all, err := e.compose(j, s, c)
		if err != nil {
			return err
		}
		held = append(held, heldBack{until: n + c.behind, all: all})
		held = e.letGo(r, j, held, n)
	}
	e.letGo(r, j, held, s.Count+maxBehind)
	return nil
}

// heldBack is an event that waits for later ones to pass it.
type heldBack struct {
	until int // the number of the event behind which it goes
	all   []*delivery
}

// letGo emits what was held back until event n, and returns what still is.
func (e *Emulator) letGo(r *round, j *job, held []heldBack, n int) []heldBack {
	return slices.DeleteFunc(held, func(h heldBack) bool {
		if h.until > n {
			return false
		}
		e.emit(r, j, h.all)
		return true
	})
}

// emit queues an event for each of its webhooks, and its forgeries.
func (e *Emulator) emit(r *round, j *job, all []*delivery) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r != e.round || e.closed {
		return
	}
	j.Made++
	r.counts.Events++
	for _, d := range all {
		if h := e.find(d.webhook); h != nil {
			e.add(h, d)
		}
	}
}

// compose returns the deliveries and forgeries of one event.
func (e *Emulator) compose(j *job, s SendRequest, c choice) ([]*delivery, error) {
	ev, body, err := e.sample(c.typ)
	if err != nil {
		return nil, err
	}
	if c.unknown != "" {
		if ev, body, err = renamed(ev, c.unknown); err != nil {
			return nil, err
		}
	}
	f := fault{Twin: c.twin, Reorder: c.behind > 0, Unknown: c.unknown != "", Odd: c.odd, Wire: c.wire}
	if c.wire == wireSlow {
		f.Drip = duration(s.drip())
	}
	content := oddContent(c.odd, ev, body)
	forged := func(f fault) (*delivery, error) {
		ev, body, err := e.sample(c.typ)
		return &delivery{job: j.ID, content: newContent(ev.ID, ev.Type, body, 0), fault: f}, err
	}
	var all []*delivery
	for _, id := range e.takers(s.WebhookID, c.typ) {
		all = append(all, &delivery{webhook: id, job: j.ID, content: content, fault: f})
		for _, f := range c.forgeries {
			d, err := forged(f)
			if err != nil {
				return nil, err
			}
			d.webhook = id
			all = append(all, d)
		}
	}
	return all, nil
}

// takers returns the ids of the webhooks that get a type: the one that was named, or
// all that take it.
func (e *Emulator) takers(id, typ string) (ids []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.hooks {
		if h.hook.ID == id || id == "" && slices.Contains(h.hook.Events, typ) {
			ids = append(ids, h.hook.ID)
		}
	}
	return ids
}

// sleep waits for d, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
