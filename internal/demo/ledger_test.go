package demo

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLedgerFaults(t *testing.T) {
	t.Parallel()
	sent := sentSums{"evt_1": sumOf([]byte("one")), "evt_2": sumOf([]byte("two"))}
	good := arrival{receiver: "app", id: "evt_1", body: []byte("one"), signed: true}
	with := func(change func(*arrival)) arrival {
		a := good
		change(&a)
		return a
	}
	for _, tt := range []struct {
		name string
		got  []arrival
		says []string
	}{
		{"as sent", []arrival{good}, nil},
		{"missing", nil, []string{"evt_1 never reached app"}},
		{"doubled", []arrival{good, good}, []string{"reached app 2 times"}},
		{"changed", []arrival{with(func(a *arrival) { a.body = []byte("One") })}, []string{"other bytes"}},
		{"unsigned", []arrival{with(func(a *arrival) { a.signed = false })}, []string{"without a valid signature"}},
		{"a forgery too", []arrival{good, with(func(a *arrival) { a.id, a.body = "evt_2", []byte("two") })}, []string{`"evt_2" reached app and should not`}},
		{"at the wrong app", []arrival{good, with(func(a *arrival) { a.receiver = "on-call" })}, []string{"reached on-call and should not"}},
	} {
		l := newLedger()
		l.expect(delivery{"app", "evt_1"})
		for _, a := range tt.got {
			l.note(a)
		}
		faults := l.faults(sent)
		if len(faults) != len(tt.says) {
			t.Errorf("%s: %q", tt.name, faults)
		}
		for _, s := range tt.says {
			if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, s) }) {
				t.Errorf("%s: %q does not say %q", tt.name, faults, s)
			}
		}
	}
}

func TestLedgerAwait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		one, two := delivery{"app", "evt_1"}, delivery{"app", "evt_2"}
		start := time.Now()
		go func() {
			for _, id := range []string{"evt_2", "evt_1"} {
				time.Sleep(time.Second)
				l.note(arrival{receiver: "app", id: id, at: time.Now()})
			}
		}()
		at, err := l.await(t.Context(), one, two)
		if err != nil || len(at) != 2 || at[0].Sub(start) != 2*time.Second || at[1].Sub(start) != time.Second {
			t.Errorf("%v, %v", at, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := l.await(ctx, one, delivery{"app", "evt_3"}); err == nil || !strings.Contains(err.Error(), "1 of 2") {
			t.Errorf("something that never comes: %v", err)
		}
	})
}
