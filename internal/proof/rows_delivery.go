package main

// deliveryRows are the faults of upstreams, and of what is hard to deliver.
var deliveryRows = []row{
	{
		n: 31, fault: "an upstream is down for hours", expect: "attempts by the schedule and then a dead letter, or held and caught up; never early",
		tests: []test{{dispatch, "TestPlatformScheduleIsKept"}, {dispatch, "TestFourHourOutage"}},
	},
	{n: 32, fault: "an upstream's 2xx is lost", expect: "sent again under the same id"},
	{
		n: 33, fault: "an upstream hangs or drips", expect: "the attempt times out; other routes feel nothing",
		tests: []test{{dispatch, "TestAHangingUpstreamHurtsNoOtherRoute"}, {inCaddy, "TestAttempt/hangs"}, {inCaddy, "TestAttempt/drips"}},
	},
	{
		n: 34, fault: "an upstream answers 3xx, 204, 410, 429 with Retry-After", expect: "failed and not followed; delivered; dead; heeded within bounds",
		tests: []test{{dispatch, "TestJudge"}, {dispatch, "TestRetryAfter"}, {dispatch, "TestGoneIsFinal"}, {inCaddy, "TestAttempt"}},
	},
	{
		n: 35, fault: "an upstream answers a gigabyte", expect: "read to a cap, judged by its status, memory flat",
		tests: []test{{inCaddy, "TestAttempt/a hundred megabytes"}, {inCaddy, "TestEndless200IsADelivery"}},
	},
	{
		n: 36, fault: "one route is dead with a large backlog", expect: "other routes go on; memory is bounded",
		tests: []test{{dispatch, "TestMemoryIsBoundedByTheRouteNotTheBacklog"}, {dispatch, "TestOnePoisonEventAmongGoodOnes"}},
	},
	{
		n: 37, fault: "everything comes at once after an outage", expect: "no more at a time than max_in_flight, oldest first",
		tests: []test{{dispatch, "TestCatchingUpIsBoundedAndPrompt"}},
	},
	{
		n: 38, fault: "a route leaves the configuration with events waiting", expect: "kept as parked, told, adopted on its return",
		tests: []test{{inCaddy, "TestParkedAndAdopted"}, {store, "TestContract/queues outlive the configuration"}},
	},
	{
		n: 39, fault: "no route takes the type, or the type is unknown", expect: "200, stored as unrouted",
		tests: []test{{inCaddy, "TestWebhook/unrouted"}},
	},
	{
		n: 40, fault: "poison: an id that is no header, a deep or huge body", expect: "quarantine, or a dead letter; nothing fails for ever",
		tests: []test{{inCaddy, "TestWebhook/quarantine"}, {dispatch, "TestOnePoisonEventAlone"}, {envelope, "TestParseCorpus"}},
	},
}
