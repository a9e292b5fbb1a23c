// Package rig runs the real inboxgate binary for a test: one data directory,
// one process after the other on it (its lives), apps behind its routes, a
// sender before it, and the record of all that in a history.Log.
//
// Guarantee: what a test started has ended when the test ends, also a process
// below a wrapper such as strace. Each life is counted, and each attempt tells
// its app which life makes it. Report judges the whole record exactly and, on a
// failure, keeps it in a file.
//
// Limits: a wait lasts at most proctest.Patience. Ids and moments come from
// the seed; what the machine makes of them does not.
//
// A fault test looks like this:
//
//	func TestFaultKillOnce(t *testing.T) {
//		t.Parallel()
//		r := rig.New(t, rig.Options{Routes: []rig.Route{
//			{Name: "all", Types: "message.*", Work: 10 * time.Millisecond},
//			{Name: "oncall", Types: "message.failed"},
//		}})
//		r.Start()                       // life 1; the apps are up
//		r.App("oncall").Stop()          // and one of them is not
//		stop := r.Background(0)         // loads until stop is called
//		r.AwaitAcked(100)               // a condition, never a sleep
//		r.Kill()                        // kill -9, noted as a crash of life 1
//		stop()
//		r.Start()                       // life 2
//		r.Again(1, 1)                   // unanswered events and copies once more
//		e := r.Event(event.TypeMessageRead)
//		if a := r.Send(t.Context(), e); a.Status != http.StatusOK {
//			t.Errorf("answered %d", a.Status)
//		}
//		r.Settle()                      // apps up, everything arrives, copies are duplicates
//		if code := r.Stop(); code != 0 {
//			t.Errorf("exit code %d", code)
//		}
//		r.Books()                       // dead letters and quarantine, if there are some
//		r.Report([]int{1}, "kill -9", 1)
//	}
//
// The package's tests need TestMain to return rig.Main(m).
package rig
