package spooltest

// cases are the duties, by theme.
var cases = []testCase{
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
	{"ids outlive events", idsOutliveEvents},
	{"ids ahead of the clock are remembered", idsAhead},

	{"quarantine keeps a body once", quarantine},
	{"quarantine claims no id", quarantineClaimsNoID},
	{"an entry is released in the commit of its event", releaseEntry},
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
	{"a batch tells when the next is due", batchNext},

	{"outcomes are logged", outcomes},
	{"free attempts are not counted", freeAttempts},
	{"the log of a delivery is bounded", bounds},
	{"attempts cut short are counted", cutShort},
	{"a clean stop counts no attempt", cleanStop},

	{"holds last", holds},
	{"routes are counted", routeCounts},
	{"queues outlive the configuration", configure},
	{"a renamed route takes its queue along", renamed},
	{"a former name may be used again", renamedBack},
	{"what has ended is redelivered", redeliver},

	{"retention goes by age", retentionByAge},
	{"what retention makes dead letters is told", expiryTold},
	{"a full store loses nothing undelivered", fullStore},

	{"Close waits", closing},
	{"Close under load", closingUnderLoad},
	{"a context ends the waiting only", cancelled},
	{"reads go on beside a sync", readsGoOn},
	{"watchers are told", watch},
	{"an operator's hold is known at once", heldByHand},

	{"records are selected", recordFilters},
	{"records are paged", recordPages},
	{"records are searched", searches},
	{"what is discarded is gone for good", discard},

	{"two owners in turn", twoOwners},
	{"two owners at once", ownersAtOnce},
	{"random calls agree with the model", playModel},
}
