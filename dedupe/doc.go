// Package dedupe lets an id be handled once, however many copies of it arrive,
// and however many at the same time.
//
// A [Memory] is the exact record of ids for a program that keeps them nowhere
// else, and what [New] makes. Once runs a function for a new id and lets copies
// wait for its outcome; Seen is for those who only want to know.
//
// A [Gate] remembers nothing. It stands in front of a store that is exact by
// itself and durable, which it asks through a [Judge]: copies of one id wait for
// the first one's outcome, and ids that are known to be stored are answered from
// a cache. A Judge that does not ask a store makes of every copy a new id.
//
// Guarantee of a Memory: within the window an id is handled successfully once,
// by one call at a time. Of a Gate: for one key it runs one Judge at a time, and
// answers without one only after a Judge has said that the key is
// durable. The cache may forget, refuse or confuse keys as it likes: that costs
// a question to the Judge and never changes an answer.
//
// Limits: a Memory forgets everything when the process ends, and each process
// has its own. A program that does its work in a database remembers ids there,
// in the transaction of the work. A key that a Gate has cached is known
// to it, for the same digest, even after the store has forgotten it. The
// number of keys in flight is not bounded here (only the copies that wait for
// one key are), so the caller bounds its requests, and the function it gives
// bounds its own time.
//
// Keys are opaque: what must not be mixed up, such as the ids of two sources,
// must differ in the key. A zero byte between source and id does that.
package dedupe
