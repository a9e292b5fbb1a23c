package main

// lifeRows are reloads, ends, panics, copies, the cache and the clock.
var lifeRows = []row{
	{
		n: 16, fault: "100 reloads under load", expect: "no request fails, nothing is lost or doubled, one store",
		tests: []test{{inCaddy, "TestReloadStorm"}, {dispatch, "TestReloadsUnderLoad"}},
	},
	{
		n: 17, fault: "a reload that fails in a later module", expect: "the running store and settings are untouched",
		tests: []test{{inCaddy, "TestFailedReload"}, {inCaddy, "TestFailedReloadChangesNoSetting"}, {inCaddy, "TestFailedReloadTakesNoDeliveriesOver"}},
	},
	{
		n: 18, fault: "the directive leaves the configuration and comes back", expect: "closed and opened cleanly; what waited arrives",
		tests: []test{{inCaddy, "TestRemoveAndAdd"}},
	},
	{
		n: 19, fault: "SIGTERM with accepts and attempts running", expect: "drained within grace; a cut attempt is not counted",
		tests: []test{{inCaddy, "TestExitDuringAttempt"}, {dispatch, "TestDrainCancelsAndCountsNothing"}},
	},
	{
		n: 20, fault: "a handler panics; an upstream cuts its answer", expect: "a failed attempt, and the process lives",
		tests: []test{{dispatch, "TestPanicsAreFailedAttempts"}, {inCaddy, "TestAttempt/cut before the answer"}},
	},
	{
		n: 21, fault: "the store's writer panics", expect: "503, no deadlock, opened anew",
		tests: []test{{store, "TestPanic"}},
	},
	{
		n: 22, fault: "the client leaves in the middle of an accept", expect: "the write completes; the retry is a duplicate",
		tests: []test{{inCaddy, "TestClientLeaves"}},
	},
	{
		n: 23, fault: "the sender retries while its first request is in flight", expect: "the second waits; one accept",
		tests: []test{{once, "TestPromisesUnderEveryCache"}},
	},
	{
		n: 24, fault: "50 copies of one id at once", expect: "one accept, 50 times 200",
		tests: []test{{once, "TestStress"}, {store, "TestContract/concurrent copies are accepted once"}},
	},
	{
		n: 25, fault: "the first copy cannot be stored while others wait", expect: "one of them tries again, or 503; never 200 for nothing",
		tests: []test{{once, "TestPromisesUnderEveryCache"}, {once, "TestHistories"}},
	},
	{
		n: 26, fault: "ristretto drops or evicts everything", expect: "still accepted once",
		tests: []test{{once, "TestPromisesUnderEveryCache"}},
	},
	{
		n: 27, fault: "two keys of one hash in ristretto", expect: "no false duplicate",
		tests: []test{{once, "TestSameHashCollides"}, {once, "TestPromisesCatchBrokenGates"}},
	},
	{
		n: 28, fault: "the cache closes during requests", expect: "no panic",
		tests: []test{{once, "TestCloseDuringCalls"}},
	},
	{
		n: 29, fault: "the clock jumps by a day", expect: "no id is forgotten early; no retry is lost or early",
		tests: []test{{store, "TestContract/a clock that jumps makes nothing fresh"}, {store, "TestContract/a clock set back makes nothing fresh"}, {store, "TestContract/a clock that was ahead leaves no trace"}, {store, "TestContract/a clock that is ahead forgets no id"}, {dispatch, "TestScheduleHoldsUnderAClockAhead"}},
	},
	{
		n: 30, fault: "a restart with the clock in 1970", expect: "the last time persisted is believed instead",
		tests: []test{{store, "TestContract/a clock of 1970 is not believed"}},
	},
}
