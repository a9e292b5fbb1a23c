package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/sidecar/sidecartest"
)

// e2eInHand is how many leases a dispatcher holds at most for a route with the
// default max_in_flight of 32: those that run, and 64 that are about to. No more
// attempts than that can have been running, or unrecorded, when it was killed.
const e2eInHand = 32 + 64

// e2eKill is a test of many rounds on one data directory.
type e2eKill struct {
	t           *testing.T
	dir, listen string
	apps        []*e2eApp
	ledger      *e2eLedger
	seed        uint64
	plan        *rand.Rand // of moments: the same for a seed, whatever was answered
	ids         *rand.ChaCha8
	refused     atomic.Int64
	stopped     map[int]bool // rounds in which the apps were stopped under way
	resent      int
}

// TestE2EKill kills the real process again and again under load, and looks
// from outside whether what it said was true.
func TestE2EKill(t *testing.T) {
	t.Parallel()
	rounds := 20
	switch {
	case os.Getenv("INBOXGATE_LONG") != "":
		rounds = 300
	case testing.Short():
		rounds = 4
	}
	seed := rand.Uint64()
	if s := os.Getenv("INBOXGATE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("INBOXGATE_SEED: %v", err)
		}
	}
	t.Logf("repeat with INBOXGATE_SEED=%d", seed)
	l := newE2ELedger()
	k := &e2eKill{
		t: t, dir: t.TempDir(), listen: e2eAddress(t), ledger: l, stopped: make(map[int]bool),
		seed: seed, plan: rand.New(rand.NewPCG(seed, 0)),
		ids:  rand.NewChaCha8([32]byte(fmt.Appendf(nil, "%032d", seed))),
		apps: []*e2eApp{newE2EApp(t, l, "all", 10*time.Millisecond), newE2EApp(t, l, "oncall", 10*time.Millisecond)},
	}
	defer l.check(t)
	mount(t, k.dir, e2eCaddyfile(k.listen, k.apps[0], k.apps[1]))
	// Of each pair of rounds one has its apps stopped.
	for n := 1; n < rounds; n += 2 {
		first := k.plan.IntN(2) == 0
		k.round(n, first)
		k.round(n+1, !first)
	}
	k.settle(rounds + 1)
	k.repeatNothing(rounds + 2)
	k.table(rounds)
}

// start runs a process on the data directory of all the others.
func (k *e2eKill) start(round int) (*sidecartest.Process, *e2eSender) {
	k.t.Helper()
	p := sidecartest.Start(k.t, command(k.t, k.dir, []string{
		"INBOX_WEBHOOK_SECRET=" + newSecret, fmt.Sprintf("E2E_ROUND=%d", round),
	}))
	p.Await(k.t, started, 1)
	return p, newE2ESender("http://"+k.listen+"/webhooks/inbox", round, k.ledger, k.ids, &k.refused)
}

// round starts the process, loads it, and kills it. With down, the apps are
// stopped before it starts, or at some moment of the load.
func (k *e2eKill) round(n int, down bool) {
	k.t.Helper()
	early := k.plan.IntN(2) == 0
	life := 100*time.Millisecond + time.Duration(k.plan.Int64N(int64(600*time.Millisecond)))
	part := time.Duration(k.plan.Int64N(int64(life)))
	random := rand.New(rand.NewPCG(k.seed, uint64(n)))
	if down && early {
		k.stopApps()
	} else {
		k.startApps()
	}
	p, s := k.start(n)
	defer s.client.CloseIdleConnections()
	k.again(s, random)
	if !down && !k.ledger.await(func() bool { return k.ledger.waiting == 0 || k.ledger.in[n] > 0 }) {
		k.t.Fatalf("round %d: the apps are back and nothing comes:\n%s", n, k.ledger.missing())
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		s.load(k.t.Context(), stop, random)
	}()
	if down && !early {
		<-time.After(part)
		k.stopped[n] = true
		k.stopApps()
		life -= part
	}
	<-time.After(life)
	if n%4 < 2 { // The moment at which a promise made too early shows.
		s.awaitAnswer()
	}
	p.Signal(k.t, syscall.SIGKILL)
	p.Wait(k.t)
	close(stop)
	<-ended
}

func (k *e2eKill) startApps() {
	for _, a := range k.apps {
		a.start(k.t)
	}
}

func (k *e2eKill) stopApps() {
	for _, a := range k.apps {
		a.stop()
	}
}

// again does what the platform does after a restart: it sends once more what had
// no answer (here about half of it), and copies of what had one.
func (k *e2eKill) again(s *e2eSender, random *rand.Rand) {
	unknown := k.ledger.choose(func(e *e2eSent) bool {
		return !e.acked && e.round == s.round-1 && random.IntN(2) == 0
	})
	copies := k.ledger.choose(func(e *e2eSent) bool {
		return e.acked && (e.round == s.round-1 && random.IntN(4) == 0 || random.IntN(100) == 0)
	})
	s.sendAll(k.t.Context(), copies, "duplicate")
	s.sendAll(k.t.Context(), unknown, "accepted", "duplicate")
	k.resent += len(copies)
}

// settle lets everything arrive, also what had no answer.
func (k *e2eKill) settle(round int) {
	k.t.Helper()
	k.startApps()
	p, s := k.start(round)
	s.sendAll(k.t.Context(), k.ledger.choose(func(e *e2eSent) bool { return !e.acked }), "accepted", "duplicate")
	k.ledger.awaitAll(k.t)
	s.sentinel(k.t)
	s.client.CloseIdleConnections()
	if code := p.Stop(k.t); code != 0 {
		k.t.Errorf("SIGTERM ends with exit code %d", code)
	}
}

// repeatNothing sends a copy of every event of the test: none may come through.
func (k *e2eKill) repeatNothing(round int) {
	k.t.Helper()
	p, s := k.start(round)
	copies := k.ledger.choose(func(*e2eSent) bool { return true })
	s.sendAll(k.t.Context(), copies, "duplicate")
	k.resent += len(copies)
	s.sentinel(k.t)
	s.client.CloseIdleConnections()
	if code := p.Stop(k.t); code != 0 {
		k.t.Errorf("SIGTERM ends with exit code %d", code)
	}
	k.ledger.mu.Lock()
	n := k.ledger.in[round]
	k.ledger.mu.Unlock()
	if n != 2 {
		k.t.Errorf("%d deliveries after %d copies and one new event for two routes, want 2", n, len(copies))
	}
}

// table checks that only what a kill cut short was repeated, and tells what has
// happened.
func (k *e2eKill) table(rounds int) {
	k.t.Helper()
	repeated, most, byKill := 0, 0, make(map[string]int)
	for key, all := range k.ledger.got {
		slices.SortStableFunc(all, func(a, b e2eArrival) int { return cmp.Compare(a.round, b.round) })
		for i := range all[1:] {
			was, is := all[i], all[i+1]
			repeated++
			// An app that stops may cut an answer, which takes a further attempt.
			if k.stopped[was.round] {
				continue
			}
			if was.round == is.round || was.attempt >= is.attempt {
				k.t.Errorf("%s came to %s as attempt %d of round %d and again as attempt %d of round %d",
					key.id, key.route, was.attempt, was.round, is.attempt, is.round)
			}
			cut := fmt.Sprintf("%s, round %d", key.route, was.round)
			byKill[cut]++
			most = max(most, byKill[cut])
		}
	}
	for cut, n := range byKill {
		if n > e2eInHand {
			k.t.Errorf("%s: %d deliveries were repeated, and only %d can have been in hand", cut, n, e2eInHand)
		}
	}
	first, later := 0, 0
	for _, e := range k.ledger.order {
		switch {
		case e.acked && e.ackedIn == e.round:
			first++
		case e.acked:
			later++
		}
	}
	if first < 10*rounds {
		k.t.Errorf("%d events were acknowledged at once: that is no load", first)
	}
	k.t.Logf("rounds %d, sent %d, acknowledged %d (and %d when sent again), arrived %d at two routes, lost %d, "+
		"repeated %d (most at one kill of one route: %d of %d), copies dropped %d, refused with 503 %d",
		rounds, len(k.ledger.order), first, later, len(k.ledger.got), k.ledger.waiting,
		repeated, most, e2eInHand, k.resent, k.refused.Load())
}
