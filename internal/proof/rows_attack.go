package main

// attackRows are what comes from outside with bad intent, or looks like it.
var attackRows = []row{
	{
		n: 41, fault: "no, empty, malformed, short, long or non-hex signature", expect: "401, byte for byte the same",
		tests: []test{{inCaddy, "TestWebhook/signatures"}, {signed, "TestVerifyTable"}},
	},
	{
		n: 42, fault: "a prefix alone, a truncated signature", expect: "401",
		tests: []test{{signed, "TestVerifyTable/prefix only"}, {signed, "TestVerifyTable/truncated to half"}, {inCaddy, "TestWebhook/signatures"}},
	},
	{
		n: 43, fault: "an empty, blank, short or unresolved secret", expect: "does not start",
		tests: []test{{whole, "TestE2ENoSecret"}, {inCaddy, "TestRefusesToStart"}, {signed, "TestNewRefuses"}},
	},
	{
		n: 44, fault: "signed with the empty key", expect: "401",
		tests: []test{{signed, "TestVerifyTable/empty secret"}, {inCaddy, "TestWebhook/signatures"}},
	},
	{
		n: 45, fault: "the time of the comparison tells the signature", expect: "constant time, with every secret, no early exit",
		tests: []test{{signed, "TestComparisonsEndAtNoDifference"}},
	},
	{
		n: 46, fault: "two header lines or a list, one of them valid", expect: "accepted; more than 8 are 401",
		tests: []test{{signed, "TestVerifyTable"}, {inCaddy, "TestWebhook/signatures"}},
	},
	{
		n: 47, fault: "X_Inbox_Signature, X.Inbox.Signature, forged X-Inbox-…", expect: "ignored, and not passed on",
		tests: []test{{inCaddy, "TestWebhook/signatures"}, {inCaddy, "TestWebhook/headers a client may not say"}},
	},
	{n: 48, fault: "ids poisoned by unsigned requests", expect: "nothing is stored; the real one is new"},
	{
		n: 49, fault: "the same id at another source", expect: "another event",
		tests: []test{{inCaddy, "TestWebhook/same id from another source is another event"}},
	},
	{
		n: 50, fault: "the same id with another body", expect: "the first wins; the other is quarantined",
		tests: []test{{inCaddy, "TestWebhook/quarantine"}, {store, "TestContract/a known id with another body is a conflict"}},
	},
	{
		n: 51, fault: "replays after the window, in masses, with a window raised later", expect: "stale, kept once, within bounds; no gap",
		tests: []test{
			{store, "TestContract/what is not fresh is stale"},
			{store, "TestContract/a raised window makes nothing fresh"},
			{store, "TestContract/quarantine keeps a body once"},
			{store, "TestContract/quarantine has a share"},
		},
	},
	{
		n: 52, fault: "bodies over the cap; bodies that drip, by the thousand", expect: "413 or 408; memory bounded; good ones go on",
		tests: []test{{inCaddy, "TestWebhook/refused"}, {bodies, "TestBodyBudget"}},
	},
	{
		n: 53, fault: "a compressed bomb", expect: "never inflated: 415 or 413, or quarantined if signed so",
		tests: []test{{inCaddy, "TestWebhook/refused"}, {inCaddy, "TestWebhook/quarantine"}},
	},
	{
		n: 54, fault: "requests that two parsers read differently, h2c", expect: "refused, or one event as it stands",
		tests: []test{{inCaddy, "TestSmuggling"}},
	},
	{n: 55, fault: "HTTP/2: rapid resets, floods of CONTINUATION", expect: "bounded, and accepts go on"},
	{
		n: 56, fault: "JSON with equal or mixed-case keys, BOM, bad UTF-8, 10,000 levels", expect: "quarantine, no panic",
		tests: []test{{inCaddy, "TestWebhook/quarantine"}, {envelope, "TestParseCorpus"}},
	},
	{
		n: 57, fault: "CR, LF or escapes in id and type", expect: "in logs only inside JSON strings",
		tests: []test{{envelope, "TestEventLogsNoData"}},
	},
	{
		n: 58, fault: "secrets or bodies in logs, configuration, metrics", expect: "nowhere",
		tests: []test{{inCaddy, "TestNoSignatureInTheErrorLog"}, {inCaddy, "TestWebhook/nothing secret in the log"}},
	},
	{n: 59, fault: "the admin API from a browser or another host", expect: "refused"},
	{
		n: 60, fault: "requests that choose the upstream: placeholders, redirects", expect: "refused in the configuration; not followed",
		tests: []test{{inCaddy, "TestAttempt/302 not followed"}},
	},
	{n: 61, fault: "types chosen to make metric labels without end", expect: "unknown types share one label"},
}
