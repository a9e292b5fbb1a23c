package spool

// Expirer is implemented by engines that make dead letters of what has waited
// longer than retention: no dispatcher settles those, so nobody else knows.
type Expirer interface {
	// OnExpired calls f for each of them after the commit that made it, without
	// a lock that calls of the store take. Of d there are the number, the route
	// under its present name, Attempts, Replay, and the event's Seq, Source, ID
	// and Type. A power cut may have one made, and told, twice. stop ends that.
	OnExpired(f func(d Delivery, reason string)) (stop func())
}
