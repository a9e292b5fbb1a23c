package spooltest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// closing waits for what is running; what comes later gets ErrClosed.
func closing(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("0", "a")
	d := r.lease1("a")
	in := intake(r.event("1"), "a")
	blocked, release := r.GateSyncs(0)
	defer release()
	running := r.goAccept(bg, in)
	r.reach(blocked, running)
	closed := make(chan answer, 1)
	go func() { closed <- answer{err: r.st.Close()} }()
	r.silent(closed, "Close while an accept is running")
	release()
	if got := <-running; got.err != nil || got.Verdict != spool.Accepted {
		t.Errorf("the running accept: %v, %v, want it accepted", got.Verdict, got.err)
	}
	r.ok((<-closed).err, "Close")
	r.ok(r.st.Close(), "second Close")

	_, errAccept := r.st.Accept(bg, in)
	_, errLease := r.st.Lease(bg, pickOf("a", 1))
	_, errExtend := r.st.Extend(bg, []spool.Lease{d.Lease}, leaseFor)
	_, errRoutes := r.st.Routes(bg)
	_, errRedeliver := r.st.Redeliver(bg, 1, spool.RouteWish{})
	_, errRecords := r.st.Records(bg, spool.Query{})
	for what, err := range map[string]error{
		"Accept": errAccept, "Lease": errLease, "Extend": errExtend, "Routes": errRoutes,
		"Redeliver": errRedeliver, "Records": errRecords,
		"Quarantine": r.st.Quarantine(bg, r.oddBody(source, "{")),
		"Settle":     r.st.Settle(bg, r.ended(d)),
		"Release":    r.st.Release(bg, []spool.Lease{d.Lease}),
		"Configure":  r.st.Configure(bg, "", source, []spool.RouteName{{Name: "a"}}),
		"Hold":       r.st.Hold(bg, "", key("a"), spool.Hold{Since: r.now()}),
		"Resume":     r.st.Resume(bg, "", key("a")),
	} {
		r.wantErr(what+" after Close", err, spool.ErrClosed)
	}
	r.wantErr("Stats after Close", r.st.Stats().Unavailable, spool.ErrClosed)
	r.PowerCut(t)
	r.open()
	r.whole("1", "a")
}

// closingUnderLoad: whatever an accept is answered while the store closes is true.
func closingUnderLoad(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	const callers = 8
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		stored  []string
		started = make(chan struct{}, callers)
	)
	for c := range callers {
		wg.Go(func() {
			for n := 0; ; n++ {
				ev := r.event(string(rune('a'+c)) + time.Duration(n).String())
				_, err := r.st.Accept(bg, intake(ev, "a"))
				if err != nil {
					if n == 0 {
						started <- struct{}{}
					}
					return
				}
				mu.Lock()
				stored = append(stored, ev.ID)
				mu.Unlock()
				if n == 0 {
					started <- struct{}{}
				}
			}
		})
	}
	for range callers {
		<-started
	}
	r.ok(r.st.Close(), "Close")
	wg.Wait()
	r.cut()
	got := map[string]bool{}
	for cursor := int64(0); ; {
		p, err := r.st.Records(bg, spool.Query{Cursor: cursor})
		r.ok(err, "Records")
		for _, rec := range p.Records {
			got[rec.Event.ID] = true
		}
		if cursor = p.Next; cursor == 0 {
			break
		}
	}
	for _, id := range stored {
		if !got[id] {
			t.Errorf("event %s was accepted while the store closed, and is gone", id)
		}
	}
}

// cancelled checks that a context ends the waiting, not the write.
func cancelled(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	in := intake(r.event("1"), "a")
	blocked, release := r.GateSyncs(0)
	defer release()
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	first := r.goAccept(ctx, in)
	r.reach(blocked, first)
	second := r.goAccept(ctx, in)
	cancel()
	for _, c := range []<-chan answer{first, second} {
		if got := <-c; got.err == nil {
			t.Errorf("a cancelled accept was answered %v before its sync", got.Verdict)
		}
	}
	release()
	r.acceptAgain(in)
	r.cut()
	r.whole("1", "a")

	ended, cancel := context.WithCancel(bg)
	cancel()
	if got, err := r.st.Accept(ended, intake(r.event("2"), "a")); err == nil && got.Verdict != spool.Accepted {
		t.Errorf("Accept under a context that has ended: %v", got.Verdict)
	}
	r.acceptAgain(intake(r.event("2"), "a"))
	r.whole("2", "a")
}

// readsGoOn checks that a slow medium holds up no reader.
func readsGoOn(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("1", "a")
	blocked, release := r.GateSyncs(0)
	defer release()
	c := r.goAccept(bg, intake(r.event("2"), "a"))
	r.reach(blocked, c)
	r.whole("1", "a")
	if n := r.route("a").Waiting; n < 1 {
		t.Errorf("%d deliveries wait, want at least 1", n)
	}
	r.wholeOrNone("2", "a")
	release()
	if got := <-c; got.err != nil {
		t.Errorf("Accept: %v", got.err)
	}
}

// heldByHand: that an operator holds a route is known when Hold returns.
func heldByHand(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	want := func(what string, reason string) {
		t.Helper()
		if got, held := r.st.HeldByHand(key("a")); held != (reason != "") || got.Reason != reason {
			t.Errorf("%s: held %v, %+v", what, held, got)
		}
	}
	want("unknown route", "")
	r.ok(r.st.Hold(bg, "", key("a"), spool.Hold{Reason: "down"}), "Hold")
	want("held, not by hand", "")
	r.ok(r.st.Hold(bg, "", key("a"), spool.Hold{Reason: "mine", ByHand: true}), "Hold")
	want("held by hand", "mine")
	r.ok(r.st.Configure(bg, "", key("a").Source, []spool.RouteName{{Name: "heir", Was: "a"}}), "Configure")
	want("by its former name", "mine")
	r.ok(r.st.Resume(bg, "", key("a")), "Resume")
	want("resumed", "")
}

// watch: all that makes a route due is reported.
func watch(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	reports := make(chan spool.RouteKey, 100)
	stop := r.st.Watch(func(k spool.RouteKey) { reports <- k })
	expect := func(what string, want spool.RouteKey) {
		t.Helper()
		limit := time.NewTimer(10 * time.Second)
		defer limit.Stop()
		for {
			select {
			case k := <-reports:
				if k == want {
					return
				}
			case <-limit.C:
				t.Fatalf("%s: nothing was reported of route %s", what, want.Route)
			}
		}
	}
	seq := r.queue("1", "a").Seq
	expect("Accept", key("a"))
	d := r.lease1("a")
	r.ok(r.st.Release(bg, []spool.Lease{d.Lease}), "Release")
	expect("Release", key("a"))
	r.hold("b")
	expect("Hold", key("b"))
	r.ok(r.st.Resume(bg, "", key("b")), "Resume")
	expect("Resume", key("b"))
	r.settle(r.failed(r.lease1("a"), 0))
	expect("Settle with a retry at once", key("a"))
	r.settle(r.ended(r.lease1("a")))
	if _, err := r.st.Redeliver(bg, seq, spool.RouteWish{Route: "a"}); err != nil {
		t.Fatalf("Redeliver: %v", err)
	}
	expect("Redeliver", key("a"))
	stop()
	stop()
	for len(reports) > 0 {
		<-reports
	}
	r.queue("2", "b")
	r.ok(r.st.Close(), "Close")
	if len(reports) > 0 {
		t.Errorf("reported %v after stop", <-reports)
	}
}
