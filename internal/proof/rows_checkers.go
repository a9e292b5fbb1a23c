package main

import "github.com/inboxgate/inboxgate/internal/proof/history"

// check is a test of the proof itself.
type check struct {
	test
	about string
	// long: it is no part of the short form.
	long bool
}

// checkers are builds with one change each that breaks a promise. Every test
// needs the checker to find what its build does wrong, and nothing in what the
// program as it is does in the same scenario.
var checkers = []check{
	mutant("answers before the commit", "200 before the commit; killed at the answer: lost", false),
	mutant("lets in what has no signature", "a request without a signature is let in: wrongly accepted", false),
	mutant("forgets to write down a success", "a delivery is not settled; restarted: doubled", false),
	mutant("answers before the fsync", "200 before the fsync; power cut at the answer: lost", true),
	mutant("marks the id before the commit", "the id is known before its event is stored; sent again while the disk refuses: lost", true),
	mutant("drops what waits at a reload", "what waits for its turn is dropped at a reload: lost", true),
	mutant("believes its log after a failed fsync", "no new log and no checkpoint at the opening; a real failed fsync, kill -9, sent again, power cut: lost", true),
	mutant("forgets ids when the clock jumps", "ids are forgotten by the machine's clock alone; a day ahead and back: doubled", true),
	mutant("keeps no watermark", "what was forgotten leaves no watermark; a copy after the window: doubled", true),
	mutant("forgets the newest ids at a start", "recent ids are not read back; killed and sent again: doubled", true),
	mutant("takes a failed attempt for a delivery", "an attempt that got 500 is settled as delivered: lost", true),
	mutant("changes the body", "the app gets other bytes: wrongly accepted, for nobody sent them", true),
	mutant("tries again before its time", "an attempt before its schedule: told", true),
	{test{several, "TestControlAsynchronousStandby"}, "nothing is changed, but the standby that is promoted was asynchronous, which protects nobody: lost", false},
	among("says duplicate of what no standby has", "a copy's answer leaves no trace of its own; the primary is lost: lost", false),
	among("believes a commit that came with a warning", "waits for the standby are cancelled: wrongly accepted", true),
	among("gives the same fences on every machine", "two machines count alike; copies: doubled", true),
	among("sorts no ids", "batches take ids in the order in which they came; copies: deadlocks", true),
	among("counts leases by the machine's clock", "one clock is set ahead while another's attempts run: doubled", true),
}

// among is a mutant among the tests of several machines.
func among(name, about string, long bool) check {
	return check{test{several, "TestMutants/" + name}, about, long}
}

func mutant(name, about string, long bool) check {
	return check{test{faults, "TestMutants/" + name}, about, long}
}

// record is what a test tells of a fault, one JSON line.
type record = history.Line
