package spooltest

import "slices"

// cases are all duties.
var cases = slices.Concat(ofOne, ofSeveral)

// ofOne are the duties of every engine, by theme.
var ofOne = []testCase{
	{"an accept survives every end", acceptSurvives},
	{"an accept is whole wherever it is stopped", acceptStopped},
	{"an accept is answered after its sync", acceptWaits},
	{"an accept is told the truth after a failed sync", failedSync},
	{"a failed sync is not believed after a restart", failedSyncThenKill},
	{"an opening whose sync fails is not believed", failedOpen},
	{"a failed sync is shared", failedSyncShared},
	{"a power cut loses settles at most", settlesMayBeLost},

	{"a known id is a duplicate", duplicates},
	{"a known id is known whatever its age", knownWhateverItsAge},
	{"a known id with another body is a conflict", conflicts},
	{"concurrent copies are accepted once", concurrentCopies},

	{"what is not fresh is stale", stale},
	{"stale events are delivered where asked", deliverStale},
	{"an event without created_at is remembered", noCreatedAt},
	{"a raised window makes nothing fresh", raisedWindow},
	{"a clock set back makes nothing fresh", clockBack},
	{"a clock that jumps makes nothing fresh", clockJump},
	{"a clock of 1970 is not believed", clockOf1970},
	{"a clock that was ahead leaves no trace", clockWasAhead},
	{"a clock that was ahead before any event leaves no trace", clockWasAheadAtFirst},
	{"a clock that is ahead forgets no id", clockForgetsNothing},
	{"a machine that was off kills nothing", machineWasOff},
	{"what waited too long is tried before it dies", triedBeforeItDies},
	{"a clock that is far behind quarantines nothing", clockBehind},
	{"a clock that was never set is waited for", clockUnset},
	{"an id far ahead is remembered as long", idsFarAhead},
	{"ids outlive events", idsOutliveEvents},
	{"ids ahead of the clock are remembered", idsAhead},

	{"quarantine keeps a body once", quarantine},
	{"quarantine claims no id", quarantineClaimsNoID},
	{"an entry is released in the commit of its event", releaseEntry},
	{"what was released is a duplicate", releasedIsDuplicate},
	{"quarantine has a share", quarantineCap},

	{"leases are fenced", fencing},
	{"leases are fenced over restarts", fencingOverRestarts},
	{"leases are extended", extend},
	{"deliveries are born running in turn", bornRunning},
	{"deliveries born running are leased", bornRunningIsLeased},

	{"the oldest is leased first", oldestFirst},
	{"what fell due first is leased first", byDueTime},
	{"what is given back keeps its place", givenBack},
	{"probes take turns", ignoreDue},
	{"a pass ends at a number", passEnds},
	{"a batch tells when the next is due", batchNext},

	{"outcomes are logged", outcomes},
	{"free attempts are not counted", freeAttempts},
	{"the log of a delivery is bounded", bounds},
	{"attempts cut short are counted", cutShort},
	{"a clean stop counts no attempt", cleanStop},

	{"holds last", holds},
	{"a dispatcher's hold does not replace one by hand", holdYields},
	{"a dispatcher's resume does not end one by hand", resumeYields},
	{"a failed probe does not undo a resume", probeYields},
	{"routes are counted", routeCounts},
	{"queues outlive the configuration", configure},
	{"a renamed route takes its queue along", renamed},
	{"a former name may be used again", renamedBack},
	{"a route is served while its owner is there", served},
	{"what has ended is redelivered", redeliver},

	{"of a key one goes at a time", orderOfKeys},
	{"the end of one lets the next of its key go", endOfKeys},
	{"the next of a key goes when retention ends the first", expiryOfKeys},
	{"nothing but its end takes a place in a key", placesOfKeys},
	{"one of a key is born running", bornOfKeys},
	{"a replay waits for its key", replaysOfKeys},
	{"probes and passes take one of a key", passesOfKeys},
	{"keys of joined routes are joined", joinedKeys},
	{"an event of joined routes is two of a key", joinedEvent},
	{"order ends with what waits", orderEnds},
	{"keys go one at a time under load", keysAtOnce},
	{"random calls keep keys in order", randomKeys},

	{"retention goes by age", retentionByAge},
	{"what retention makes dead letters is told", expiryReported},
	{"a full store loses nothing undelivered", fullStore},

	{"Close waits", closing},
	{"Close under load", closingUnderLoad},
	{"a context ends the waiting only", cancelled},
	{"reads go on beside a sync", readsGoOn},
	{"watchers are told", watch},
	{"an operator's hold is known at once", heldByHand},

	{"a store keeps its identity", identity},
	{"a store says how it is", stats},

	{"records are selected", recordFilters},
	{"records are paged", recordPages},
	{"records are searched", searches},
	{"records that wait are one selection", waiting},
	{"records are counted", counts},
	{"what is discarded is gone for good", discard},

	{"two owners in turn", twoOwners},
	{"two owners at once", ownersAtOnce},
	{"random calls agree with the model", playModel},
}

// ofSeveral are those of an engine whose storage several processes may have open.
var ofSeveral = []testCase{
	{"copies in two processes are accepted once", copiesOnPeers},
	{"what one process has forgotten is not fresh in another", forgottenByPeer},
	{"no process forgets what another is to remember", windowOfPeers},
	{"what a process ran that is gone is taken over once", takenOver},
	{"a process that was away too long settles nothing", settledLate},
	{"two processes at once", peersAtOnce},
	{"an operator's hold is of all processes", heldByPeer},
	{"a dispatcher's hold is of its process", heldHere},
	{"what another process serves is not parked", servedByPeers},
	{"a pass of two processes ends at a number", passOfPeers},
	{"what retention makes dead letters is told once", expiredInFleet},
	{"keys go one at a time over two processes", keysOfPeers},
	{"who follows what is settled misses nothing", tailSettled},
	{"a store says who has it open", membersListed},
	{"random calls of two processes agree with the model", playPeers},
}
