package dashboard

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
)

const (
	// mostRunning is how many bulk changes may run at the same time.
	mostRunning = 4
	// jobLife is how long one that ended can be looked at.
	jobLife = 15 * time.Minute
	// mostEnded is how many that ended are kept.
	mostEnded = 100
)

// Jobs are bulk changes that run, or ended a short while ago, and the forms that asked
// for them. They outlive the requests that began them, and end with Close.
type Jobs struct {
	forms *forms
	ctx   context.Context //nolint:containedctx // The life of all jobs.
	end   context.CancelFunc
	wg    sync.WaitGroup

	mu  sync.Mutex // guards all, closed, and each job's progress
	all []*job     // the newest last
	// closed reports that no other may begin.
	closed bool
}

// NewJobs returns a place for bulk changes.
func NewJobs() *Jobs {
	j := &Jobs{forms: newForms()}
	j.ctx, j.end = context.WithCancel(context.Background())
	return j
}

// Close ends what runs and waits for it.
func (j *Jobs) Close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.end()
	j.wg.Wait()
}

// job is one bulk change.
type job struct {
	ID   string
	Task task
	User string
	// Reason is what the person gave.
	Reason string
	Began  time.Time

	cancel context.CancelFunc
	progress
}

// progress is how far a job is.
type progress struct {
	Step  control.Step
	Ended time.Time // zero while it runs
	Err   error
	// Stopped reports that a person, or the end of the process, ended it.
	Stopped bool
}

// Running reports whether a job has not ended.
func (p progress) Running() bool { return p.Ended.IsZero() }

var (
	errManyJobs = &control.Error{Status: http.StatusServiceUnavailable, Message: "4 bulk changes run already: wait for one of them to end, or stop one"}
	errClosing  = &control.Error{Status: http.StatusServiceUnavailable, Message: "inboxgate stops or reloads its configuration: nothing was changed; try again"}
	errNoJob    = &control.Error{Status: http.StatusNotFound, Message: "this change ended more than 15 minutes ago, or before a restart: the audit log has it"}
)

// begin runs a bulk change, and returns it at once. ctx gives it its values alone.
func (j *Jobs) begin(ctx context.Context, one *job, now func() time.Time, run func(context.Context, func(control.Step)) (control.Step, error)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sweep(now())
	running := 0
	for _, other := range j.all {
		if other.Running() {
			running++
		}
	}
	switch {
	case j.closed:
		return errClosing
	case running >= mostRunning:
		return errManyJobs
	}
	ctx, one.cancel = context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(j.ctx, one.cancel)
	one.ID, one.Began = rand.Text(), now()
	j.all = append(j.all, one)
	j.wg.Go(func() {
		defer one.cancel()
		defer release()
		step, err := run(ctx, func(s control.Step) {
			j.mu.Lock()
			one.Step = s
			j.mu.Unlock()
		})
		j.mu.Lock()
		defer j.mu.Unlock()
		if err == nil || step.Matched > 0 {
			one.Step = step
		}
		one.Stopped = ctx.Err() != nil
		one.Err, one.Ended = err, now()
	})
	return nil
}

// sweep forgets jobs that ended a while ago. The caller holds mu.
func (j *Jobs) sweep(now time.Time) {
	j.all = slices.DeleteFunc(j.all, func(one *job) bool { return !one.Running() && now.Sub(one.Ended) > jobLife })
	for ended := 0; ; ended = 0 {
		first := -1
		for i, one := range j.all {
			if !one.Running() {
				if ended++; first < 0 {
					first = i
				}
			}
		}
		if ended <= mostEnded {
			return
		}
		j.all = slices.Delete(j.all, first, first+1)
	}
}

// list returns copies of all jobs, the newest first.
func (j *Jobs) list(now time.Time) (all []job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sweep(now)
	for _, one := range slices.Backward(j.all) {
		all = append(all, *one)
	}
	return all
}

// get returns a copy of one job.
func (j *Jobs) get(id string, now time.Time) (job, error) {
	for _, one := range j.list(now) {
		if one.ID == id {
			return one, nil
		}
	}
	return job{}, errNoJob
}
