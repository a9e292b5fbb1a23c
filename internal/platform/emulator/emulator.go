package emulator

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"time"
)

const (
	defaultInFlight = 64
	maxSpeed        = 1e6
	maxAdvance      = 10 * 365 * 24 * time.Hour
)

// Options are what an Emulator is made with. The zero value is one in memory, at
// true speed, with a key that New makes.
type Options struct {
	// Key is the API's bearer key. Default: the one stored in Dir, or else one that
	// New makes; see Emulator.Key.
	Key string
	// Dir is the directory that holds the state, in one file. Default: the state is
	// in memory only.
	Dir string
	// Speed divides the delays of the schedule. At most a million. Default 1.
	Speed float64
	// Now returns the created_at of events. Delays are counted by the machine's
	// clock all the same. Default time.Now.
	Now func() time.Time
	// Seed is the seed of the first job that names none; each further one has the
	// next number. Default: by chance.
	Seed uint64
	// Log gets a line for each attempt at debug level. Default: nothing is logged.
	Log *slog.Logger
	// Transport makes the requests to receivers. Default: one that bounds every step
	// by platform.AttemptTimeout.
	Transport http.RoundTripper
	// MaxInFlight bounds the requests to one webhook at the same time. 1 keeps the
	// order of first attempts. Default 64.
	MaxInFlight int
}

func (o Options) withDefaults() (Options, error) {
	if o.Speed == 0 {
		o.Speed = 1
	}
	if !(o.Speed > 0 && o.Speed <= maxSpeed) {
		return o, fmt.Errorf("speed is %v: give a number above 0 and at most %d", o.Speed, int(maxSpeed))
	}
	if o.MaxInFlight < 0 {
		return o, fmt.Errorf("%d requests in flight: give a number above 0", o.MaxInFlight)
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = defaultInFlight
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Emulator is the platform. It is an http.Handler for the API, /_emulator/ and the page.
type Emulator struct {
	opts    Options
	key     string
	handler http.Handler // of the API, /_emulator/ and the page
	client  *http.Client // for the deliveries
	disk    *disk        // nil where the state is in memory only

	life context.Context // of all goroutines; ends with Close
	end  context.CancelFunc
	wg   sync.WaitGroup // of all goroutines
	wake chan struct{}  // has a value when the earliest due time may have changed

	closeOnce sync.Once
	closeErr  error

	mu       sync.Mutex // guards all below, the rounds, endpoints and deliveries
	changed  *sync.Cond // signalled for Wait, and for jobs that wait for room
	started  bool
	closed   bool
	advanced time.Duration // how far the clock is ahead of the machine's
	serial   uint64        // of the last delivery
	round    *round
	hooks    []*endpoint // in the order of creation
	due      dueQueue
	inFlight int // requests under way
}

// round is what a Reset ends and replaces by a new one.
type round struct {
	ctx    context.Context // of its jobs and requests; ends with a Reset
	cancel context.CancelFunc
	sent   []*delivery // oldest first
	jobs   []*job      // oldest first, at most maxJobs
	made   int         // jobs so far
	counts Counts
	extras int // duplicates and forgeries that wait or run
}

// newRound returns an empty round.
func (e *Emulator) newRound() *round {
	r := &round{}
	r.ctx, r.cancel = context.WithCancel(e.life)
	return r
}

// New returns an emulator with the state of opts.Dir, if there is one. Nothing is
// sent before Start. It fails for wrong options, and for a directory that cannot be
// read and written.
func New(opts Options) (*Emulator, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("making emulator: %w", err)
	}
	e := &Emulator{opts: opts, key: opts.Key, client: newClient(opts.Transport), wake: make(chan struct{}, 1)}
	e.changed = sync.NewCond(&e.mu)
	e.life, e.end = context.WithCancel(context.Background())
	e.round = e.newRound()
	e.handler = e.routes()
	if opts.Dir != "" {
		if e.disk, err = openDisk(opts.Dir); err != nil {
			return nil, fmt.Errorf("making emulator: %w", err)
		}
		if err := e.load(); err != nil {
			return nil, fmt.Errorf("making emulator: %w", err)
		}
	}
	if e.key == "" {
		e.key = "inbox_" + randomHex(24)
	}
	if e.disk != nil {
		// Fail now where the directory cannot be written.
		if err := e.save(); err != nil {
			return nil, fmt.Errorf("making emulator: %w", err)
		}
	}
	return e, nil
}

// Key returns the API's bearer key.
func (e *Emulator) Key() string { return e.key }

// Start begins to deliver. Further calls do nothing.
func (e *Emulator) Start() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started || e.closed {
		return
	}
	e.started = true
	for _, h := range e.hooks {
		e.pump(h)
	}
	e.wg.Go(e.keepTime)
	if e.disk != nil {
		e.wg.Go(e.keepSaved)
	}
}

// Close ends all requests, which then do not count, writes the state and waits
// until nothing runs any more. Further calls return the same.
func (e *Emulator) Close() error {
	e.closeOnce.Do(func() {
		e.mu.Lock()
		e.closed = true
		e.end()
		e.changed.Broadcast()
		e.mu.Unlock()
		e.wg.Wait()
		e.client.CloseIdleConnections()
		if e.disk != nil {
			e.closeErr = e.save()
		}
	})
	return e.closeErr
}

// Wait returns when no job runs and every delivery is delivered, failed or
// cancelled, or with ctx's error, or with ErrClosed.
func (e *Emulator) Wait(ctx context.Context) error {
	return e.until(ctx, func() bool {
		r := e.round
		return r.counts.Pending == 0 && r.extras == 0 && e.inFlight == 0 && !r.working()
	})
}

// until waits until ok, which is called with mu held, reports true. It returns ctx's
// error, or ErrClosed.
func (e *Emulator) until(ctx context.Context, ok func() bool) error {
	stop := context.AfterFunc(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.changed.Broadcast()
	})
	defer stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	for !ok() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.closed {
			return ErrClosed
		}
		e.changed.Wait()
	}
	return nil
}

// Advance moves the emulator's clock, by at most ten years: retries due by then
// begin before it returns, and those that fail count their next delay from
// then. Nothing moves it back.
func (e *Emulator) Advance(by time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advanced += min(max(by, 0), max(maxAdvance-e.advanced, 0))
	e.releaseDue()
	e.touch()
}

// Reset ends all jobs and deliveries and forgets what was sent, the logs and the
// clock's advance. Webhooks stay. It fails where the state cannot be stored.
func (e *Emulator) Reset() error {
	e.mu.Lock()
	e.round.cancel()
	e.round = e.newRound()
	e.due = nil
	e.advanced = 0
	for _, h := range e.hooks {
		h.ready, h.logs = nil, nil
	}
	e.changed.Broadcast()
	e.mu.Unlock()
	return e.saveNow()
}

// now returns the emulator's time. The caller holds mu.
func (e *Emulator) now() time.Time { return time.Now().Add(e.advanced) }

// stamp returns a time as it is shown: in UTC and whole milliseconds.
func stamp(t time.Time) time.Time { return t.UTC().Round(0).Truncate(time.Millisecond) }

// delay returns how long the schedule waits before attempt n at this speed.
func (e *Emulator) delay(n int) time.Duration {
	return time.Duration(math.Ceil(float64(schedule[n-1]) / e.opts.Speed))
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
