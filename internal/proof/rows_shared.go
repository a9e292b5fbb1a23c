package main

// several names the package of the tests that break several machines on one PostgreSQL.
const several = "internal/proof/shared"

// sharedRows are faults of an engine that several machines share. Rows 62 to 69 are those
// of the table that this project works by; the later ones are of PostgreSQL.
var sharedRows = []row{
	{
		n: 62, fault: "the engine is killed, paused or cut off", expect: "nothing is lost or accepted twice; accepts come back with it",
		tests: []test{
			{several, "TestFaultDatabaseKilled"},
			{several, "TestFaultPromotion"},
			{several, "TestFaultStandbyStopped"},
			{several, "TestFaultPartitionOfTheDatabase"},
			{several, "TestFaultPartitionOfTheStandby"},
		},
	},
	{
		n: 63, fault: "requests to a machine that cannot reach the engine", expect: "503 there, and nobody else feels it",
		tests: []test{{several, "TestFaultPartitionOfTheDatabase"}},
	},
	{
		n: 64, fault: "the answer to a commit is lost, or says more than was kept", expect: "its outcome counts as unknown and is asked for; one accept",
		tests: []test{
			{several, "TestFaultPartitionOfTheDatabase"},
			{several, "TestFaultPoolerRestarted"},
			{several, "TestFaultYoungDuplicate"},
			{several, "TestFaultCommitsCancelled"},
		},
	},
	{
		n: 65, fault: "the engine restarts, and the sender sends an id again", expect: "still a duplicate",
		tests: []test{{several, "TestFaultDatabaseKilled"}},
	},
	{
		n: 66, fault: "the engine's disk is full", expect: "503, and nothing half stored; accepts return with the room",
		tests: []test{{several, "TestFaultDatabaseFull"}},
	},
	{
		n: 67, fault: "several machines take the same ids at once", expect: "each is accepted once, every copy answered 200",
		tests: []test{{several, "TestFaultCopiesToAllMachines"}},
	},
	{
		n: 68, fault: "a machine's leases run out while it is stopped", expect: "others take over; what it says of them afterwards counts for nothing",
		tests: []test{{several, "TestFaultMachinePaused"}},
	},
	{
		n: 69, fault: "all machines and the engine are killed at once", expect: "every event that got a 200 is there after the restart",
		tests: []test{{several, "TestFaultEverythingKilled"}},
	},
	{
		n: 71, fault: "a machine is killed with a backlog and attempts running", expect: "the others go on; its leases are taken over within 31.5 s, and count an attempt",
		tests: []test{{several, "TestFaultMachineKilled"}},
	},
	{
		n: 72, fault: "the primary shows what no standby has, and is lost then", expect: "no copy is called a duplicate of it",
		tests: []test{{several, "TestFaultYoungDuplicate"}},
	},
	{
		n: 73, fault: "the primary is lost under load, its synchronous standby promoted", expect: "nothing that had a 200 is lost",
		tests: []test{{several, "TestFaultPromotion"}},
	},
	{
		n: 74, fault: "waits for the standby are cancelled", expect: "the success that PostgreSQL reports is not believed",
		tests: []test{{several, "TestFaultCommitsCancelled"}},
	},
	{
		n: 75, fault: "the standby stops, with `durability replica`", expect: "no 200 until it goes on",
		tests: []test{{several, "TestFaultStandbyStopped"}},
	},
	{
		n: 76, fault: "the clock of one machine is set by hours", expect: "leases, schedules and ids feel nothing",
		tests: []test{{several, "TestFaultClockOfOneMachine"}},
	},
	{
		n: 77, fault: "a pooler is restarted, in session and in transaction mode", expect: "as with the engine: nothing lost, nothing twice",
		tests: []test{{several, "TestFaultPoolerRestarted"}},
	},
	{
		n: 78, fault: "a snapshot is held all the while", expect: "leases go on",
		tests: []test{{several, "TestFaultSnapshotHeld"}},
	},
	{
		n: 79, fault: "a rolling restart between two configurations", expect: "a renamed route keeps its queue; what one machine serves alone waits for it",
		tests: []test{{several, "TestFaultRollingConfiguration"}, {several, "TestFaultRouteOfOneMachine"}},
	},
	{
		n: 80, fault: "a rolling restart between two versions of the schema", expect: "both work side by side",
		tests: []test{{several, "TestFaultRollingSchema"}},
	},
	{
		n: 81, fault: "an operator holds a route on one machine", expect: "the others begin no attempt a second later",
		tests: []test{{several, "TestFaultHeldOnAnotherMachine"}},
	},
	{
		n: 82, fault: "the standby is cut off from the primary", expect: "no 200 until it is back",
		tests: []test{{several, "TestFaultPartitionOfTheStandby"}},
	},
	{
		n: 83, fault: "a machine is cut off from the app", expect: "the others deliver; it holds the route for itself alone",
		tests: []test{{several, "TestFaultPartitionOfTheApp"}},
	},
	{
		n: 84, fault: "the clock of the database is set by hours", expect: "no lease runs out, no id is forgotten, nothing is refused",
		tests: []test{{several, "TestFaultClockOfTheDatabase"}},
	},
}
