// Package pgtest runs real PostgreSQL for tests, for the proof and for benchmarks:
// clusters, their standbys, and a pgbouncer in front.
//
// Guarantee: a cluster is its caller's alone, in a directory and on a port of its own,
// and never the system's. What this process has started ends with it, however it ends,
// and the directories that the package chose are removed then.
//
// The core (New, Cluster, NewBouncer) returns errors and knows no test, so that a
// program can use it too. Start, Shared, StartStandby and StartBouncer hand the same to
// a test and clean up after it.
//
// Limits: Linux. PostgreSQL is the newest of Debian's /usr/lib/postgresql or of PATH. By
// default the files lie in memory: whoever measures fsync gives Options.Dir.
package pgtest
