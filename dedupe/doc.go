// Package dedupe lets an id be accepted once, however many copies of it arrive
// at the same time.
//
// It has two parts that can be used apart. A [Gate] stands in front of a
// durable store: copies of one id wait for the first one's outcome, and ids that
// are known to be stored are answered from a cache. A [Memory] is itself the
// exact record of ids, for programs that keep nothing on disk.
//
// Guarantee: for one key a Gate runs one accept function at a time, and answers
// Accepted or Duplicate only after an accept function has said that the key is
// durable. The cache may forget, refuse or confuse keys as it likes: that costs
// a question to the accept function and never changes an answer.
//
// Limits: a Gate knows this process only and remembers nothing across restarts;
// what is new and what is not is decided by the accept function, which must ask
// a store that is exact by itself. A key that is cached is answered Duplicate
// for the same digest even after the store has forgotten it. The number of keys
// in flight is not bounded here (only the copies that wait for one key are), so
// the caller bounds its requests, and the accept function bounds its own time.
//
// Keys are opaque: what must not be mixed up, such as the ids of two sources,
// must differ in the key. A zero byte between source and id does that.
package dedupe
