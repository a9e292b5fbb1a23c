package deliver

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest/memstore"
)

// orderWatch is an app that answers as chance has it, and sees whether what comes to it is
// in the order of its keys.
type orderWatch struct {
	mu sync.Mutex // guards all below
	// wrong is what was not as promised.
	wrong []string
	rng   *rand.Rand
	// well has it answer everything with 200.
	well bool
	// running are the events of each key that are under way, by the process that runs them.
	running map[string]map[string]int
	gone    map[int]bool // processes that were killed
	seen    int
}

// blame notes what is not as promised. The caller holds mu.
func (o *orderWatch) blame(format string, args ...any) {
	o.wrong = append(o.wrong, fmt.Sprintf(format, args...))
}

// keyOf returns the key of an event, which its id begins with.
func keyOf(id string) string { return strings.Fields(id)[0] }

// upstream is the app as a process of that number reaches it, whose store is s.
func (o *orderWatch) upstream(process int, s spool.Store) Upstream {
	return UpstreamFunc(func(ctx context.Context, a Attempt) Answer {
		if !o.begin(process, s, a.Delivery) {
			return hang(ctx, a)
		}
		defer o.end(a.Delivery)
		answer, took := o.answer()
		select {
		case <-time.After(took):
			return answer
		case <-ctx.Done():
			return Answer{Reach: Broken, Err: ctx.Err()}
		}
	})
}

// begin checks that nothing of the key is under way, and that all of its events that came
// before have ended, or live again. It reports whether the process lives.
func (o *orderWatch) begin(process int, s spool.Store, d spool.Delivery) bool {
	id := d.Event.ID
	all, err := s.Records(context.Background(), spool.Query{})
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone[process] {
		return false // What a killed process still does is nobody's.
	}
	if err != nil {
		o.blame("reading records: %v", err)
	}
	key := keyOf(id)
	for other, by := range o.running[key] {
		if !o.gone[by] {
			o.blame("%q comes while %q is under way", id, other)
		}
	}
	for _, rec := range all.Records {
		before := rec.Deliveries[0]
		if keyOf(rec.Event.ID) == key && rec.Event.Seq < d.Event.Seq && d.Replay == 0 && before.Replay == 0 &&
			before.State != spool.Delivered && before.State != spool.Dead {
			o.blame("%q comes before %q has ended: it is %v", id, rec.Event.ID, before.State)
		}
	}
	if o.running[key] == nil {
		o.running[key] = map[string]int{}
	}
	o.running[key][id] = process
	o.seen++
	return true
}

func (o *orderWatch) end(d spool.Delivery) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.running[keyOf(d.Event.ID)], d.Event.ID)
}

// answer draws an answer, and how long it takes.
func (o *orderWatch) answer() (Answer, time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	took := time.Duration(o.rng.Int64N(int64(200 * time.Millisecond)))
	if o.well {
		return status(200), took
	}
	switch o.rng.IntN(12) {
	case 0, 1:
		return status(500), took
	case 2:
		return status(410), took
	case 3:
		return refused, 0
	case 4:
		return Answer{Reach: Answered, Status: 429, RetryAfter: time.Second}, took
	case 5:
		return status(503), took
	case 6:
		return status(200), time.Hour // longer than its timeout
	}
	return status(200), took
}

// orderPlay is a random play of one or two processes.
type orderPlay struct {
	t      *testing.T
	rng    *rand.Rand
	engine spooltest.Engine
	watch  *orderWatch
	lives  []*orderLife
	sent   int
	begun  int // processes
}

// orderLife is a process with the dispatchers that it has begun.
type orderLife struct {
	number int
	store  spool.Store
	slots  *Slots
	ds     []*Dispatcher // the last is that of the present configuration
}

func (p *orderPlay) chance(n int) bool { return p.rng.IntN(n) == 0 }

// open begins a process: the peer of another where there is one.
func (p *orderPlay) open(peer bool) *orderLife {
	o := spooltest.Options{Now: func() time.Time { return time.Now().Round(0) }}
	var s spool.Store
	var err error
	if peer {
		s, err = p.engine.(spooltest.Sharer).Peer(p.t, o)
	} else {
		s, err = p.engine.Open(p.t, o)
	}
	must(p.t, err)
	p.begun++
	l := &orderLife{number: p.begun, store: s, slots: NewSlots()}
	p.reload(l)
	return l
}

// reload begins another dispatcher, and stops the one before it.
func (p *orderPlay) reload(l *orderLife) {
	owner := NewOwner()
	must(p.t, l.store.Configure(p.t.Context(), owner, app.Source, []spool.RouteName{{Name: app.Route}}))
	d, err := New(Config{
		Store: l.store, Owner: owner, Slots: l.slots, Log: slog.New(slog.DiscardHandler),
		Routes: []Route{{Key: app, Upstream: p.watch.upstream(l.number, l.store), MaxInFlight: 4, Timeout: 5 * time.Second}},
	})
	must(p.t, err)
	d.Start()
	if len(l.ds) > 0 && !p.chance(3) { // Now and then both work for a while.
		l.ds[len(l.ds)-1].Stop()
	}
	l.ds = append(l.ds, d)
}

// kill ends all processes, and begins as many again.
func (p *orderPlay) kill() {
	p.watch.mu.Lock()
	for _, l := range p.lives {
		p.watch.gone[l.number] = true
	}
	p.watch.mu.Unlock()
	p.engine.Kill(p.t)
	cut, cancel := context.WithCancel(p.t.Context())
	cancel()
	for _, l := range p.lives {
		for _, d := range l.ds {
			_ = d.Drain(cut)
		}
	}
	for i := range p.lives {
		p.lives[i] = p.open(i > 0)
	}
}

func (p *orderPlay) step() {
	l := p.lives[p.rng.IntN(len(p.lives))]
	switch n := p.rng.IntN(24); {
	case n < 12:
		for range 1 + p.rng.IntN(3) {
			p.sent++
			// A handler of the configuration before may still accept.
			d := l.ds[max(0, len(l.ds)-1-p.rng.IntN(2))]
			key := []string{"x", "y", "z"}[p.rng.IntN(3)]
			acceptKeyed(p.t, l.store, d, fmt.Sprint(key, " ", p.sent), key)
		}
	case n < 14:
		p.reload(l)
	case n == 14:
		p.kill()
	case n == 15:
		must(p.t, l.store.Hold(p.t.Context(), "", app, byHand))
		time.Sleep(time.Second)
		must(p.t, l.store.Resume(p.t.Context(), "", app))
	case n == 16:
		page, err := l.store.Records(p.t.Context(), spool.Query{State: []spool.State{spool.Dead, spool.Delivered}[p.rng.IntN(2)]})
		must(p.t, err)
		if len(page.Records) > 0 {
			_, err = l.store.Redeliver(p.t.Context(), page.Records[p.rng.IntN(len(page.Records))].Event.Seq, spool.RouteWish{})
			must(p.t, err)
		}
	case n == 17:
		time.Sleep(time.Duration(p.rng.Int64N(int64(3 * time.Hour))))
	default:
		time.Sleep(time.Duration(p.rng.Int64N(int64(3 * time.Second))))
	}
}

// finish lets the app be well until everything has ended.
func (p *orderPlay) finish() {
	p.watch.mu.Lock()
	p.watch.well = true
	p.watch.mu.Unlock()
	time.Sleep(12 * time.Hour)
	s := p.lives[0].store
	for _, q := range []spool.Query{{Waiting: true}, {State: spool.Running}} {
		page, err := s.Records(p.t.Context(), q)
		must(p.t, err)
		for _, rec := range page.Records {
			p.watch.mu.Lock()
			p.watch.blame("%q has not ended: %+v", rec.Event.ID, rec.Deliveries[0])
			p.watch.mu.Unlock()
		}
	}
	for i := len(p.lives) - 1; i >= 0; i-- {
		for _, d := range p.lives[i].ds {
			must(p.t, d.Drain(p.t.Context()))
		}
	}
	for _, l := range p.lives {
		must(p.t, l.store.Close())
	}
	if p.watch.seen < p.sent {
		p.watch.blame("the app saw %d attempts of %d events", p.watch.seen, p.sent)
	}
}

// playOrder returns what was not as promised.
func playOrder(t *testing.T, seed uint64, processes int, mk spooltest.Make) (wrong []string) {
	synctest.Test(t, func(t *testing.T) {
		p := &orderPlay{t: t, rng: rand.New(rand.NewPCG(seed, uint64(processes))), engine: mk(t)}
		p.watch = &orderWatch{
			rng: rand.New(rand.NewPCG(seed, 7)), running: map[string]map[string]int{}, gone: map[int]bool{},
		}
		for i := range processes {
			p.lives = append(p.lives, p.open(i > 0))
		}
		time.Sleep(time.Second)
		for range 40 {
			p.step()
		}
		p.finish()
		wrong = p.watch.wrong
	})
	return wrong
}

// Whatever fails, is tried again, restarts, reloads or is replayed, with two dispatchers
// at a time and with two processes: of a key the app sees one event at a time, and none
// of its first life before those that came before it have ended. All of them end.
func TestTheAppSeesKeysInOrder(t *testing.T) {
	t.Parallel()
	seeds := uint64(6)
	if os.Getenv("INBOXGATE_LONG") != "" {
		seeds = 200
	}
	for seed := range seeds {
		for i, mk := range []spooltest.Make{memstore.Make(), memstore.MakeShared()} {
			for _, wrong := range playOrder(t, seed, i+1, mk) {
				t.Errorf("seed %d, %d processes: %s", seed, i+1, wrong)
			}
		}
	}
}

// The same play finds each store that is at fault, by what the app sees.
func TestTheAppSeesFaultsOfKeys(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]memstore.Fault{
		"nothing goes": memstore.PromotesNothing, "two go": memstore.PromotesTwo, "the newest goes": memstore.PromotesNewest,
		"what runs is overlooked": memstore.OverlooksRunning, "a replay goes beside": memstore.ReplaysBeside,
		"a place is given away": memstore.ReleasesPlaces,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(10) {
				if wrong := playOrder(t, seed, 1, memstore.Make(fault)); len(wrong) > 0 {
					t.Logf("seed %d: %s", seed, wrong[0])
					return
				}
			}
			t.Error("nothing was found")
		})
	}
}
