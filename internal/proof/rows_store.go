package main

// storeRows are the faults of the disk and of the process that writes to it.
var storeRows = []row{
	{
		n: 1, fault: "kill -9 at any moment under load", expect: "every event that got a 200 is there after the restart",
		tests: []test{{store, "TestKill"}},
	},
	{
		n: 2, fault: "killed at the nth write, fsync or rename", expect: "the same, and the store opens without repair",
		tests: []test{{store, "TestRandomCrashes"}},
	},
	{
		n: 3, fault: "power cut", expect: "what got a 200 is there; what did not may be",
		tests: []test{{store, "TestContract/an accept survives every end"}},
	},
	{
		n: 4, fault: "torn last record, tail of zeros", expect: "dropped, told, and the start succeeds",
		tests: []test{{store, "TestTornLog"}},
	},
	{
		n: 5, fault: "flipped bits in the database or its log", expect: "told, never a silent loss of what was whole",
		tests: []test{{store, "TestDamage"}},
	},
	{
		n: 6, fault: "fsync fails once", expect: "503, and no 200 until the store was opened anew",
		tests: []test{{store, "TestContract/an accept is told the truth after a failed sync"}, {store, "TestContract/a failed sync is not believed after a restart"}},
	},
	{
		n: 7, fault: "disk full, quota used up", expect: "503; nothing half stored; deliveries go on; accepts return with the room",
		tests: []test{{store, "TestFreeDisk"}},
	},
	{n: 8, fault: "short write", expect: "a failure, and nothing half stored"},
	{n: 9, fault: "disk turns read-only", expect: "503, told, no crash"},
	{
		n: 10, fault: "an fsync that takes 9 s", expect: "503 within 8 s to the first and its copies; a later copy is a duplicate",
		tests: []test{{store, "TestContract/a context ends the waiting only"}},
	},
	{n: 11, fault: "no file descriptors left", expect: "no 200 that is not stored, and recovery"},
	{
		n: 12, fault: "out of memory", expect: "queues are bounded; an OOM kill is row 1",
		tests: []test{{dispatch, "TestMemoryIsBoundedByTheRouteNotTheBacklog"}, {bodies, "TestBodyBudget"}, {bodies, "TestGoodBodiesDoNotStarve"}, {store, "TestRecentIDsAreBounded"}},
	},
	{
		n: 13, fault: "data directory removed while running", expect: "noticed, and 503",
		tests: []test{{store, "TestDirectoryRemoved"}, {store, "TestNothingAcceptedAfterTheFilesAreGone"}},
	},
	{
		n: 14, fault: "a second process on the directory", expect: "refused within 5 s with an error that names the holder",
		tests: []test{{store, "TestSecondProcess"}},
	},
	{
		n: 15, fault: "caddy validate beside a running instance", expect: "passes and touches nothing",
		tests: []test{{whole, "TestValidateBesideARunningInstance"}},
	},
}

var formatRows = []row{
	{
		n: 70, fault: "a file of a newer version or of another program", expect: "refused with words; nothing is cut off",
		tests: []test{{store, "TestForeignFiles"}},
	},
}
