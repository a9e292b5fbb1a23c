// Package emulator is a whole small Inbox platform for a laptop: the webhook
// API with bearer keys, deliveries that are signed and retried as the
// platform's documentation says, their logs, and under /_emulator/ the means to
// send events with faults, to move the clock and to read what happened. A page at / shows
// the same to people.
//
// Guarantee: each delivery carries the same id and the same bytes in all its
// attempts, which follow platform.Schedule divided by Options.Speed, counted
// from the end of the attempt before; the timeout of 10 s is never compressed.
// A redirect, any other status but 2xx, and no answer are failures; after six
// the delivery is failed and nothing more comes. No receiver can stop the
// others, and none can make it read more than 64 KiB of an answer.
//
// With Options.Dir a webhook, its secret and a test event are on disk before
// they are answered; attempts follow within a fraction of a second, so that
// after a kill the last ones may be repeated. A job of Send is not resumed: the
// events it had already made are.
//
// Limits: it is made for tests on one machine. It keeps at most 100,000
// finished deliveries, 10,000 log entries a webhook and 100 webhooks. A
// directory belongs to one emulator at a time.
package emulator
