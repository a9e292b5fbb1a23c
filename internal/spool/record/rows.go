package record

// Rows are all that a store holds, as one engine gives it to another. Numbers, ages and
// times are those of the store that they come from. Times are in nanoseconds.

// Head is what a store holds besides its events, deliveries, ids and odd bodies.
type Head struct {
	// Identity is the store's own for life.
	Identity int64
	// Age is how much time its processes have seen pass, Now the time that it had come to.
	// By them its rows are old, and due.
	Age, Now int64
	// Last is at least the largest number of an event or entry that was ever given.
	Last    int64
	Sources []SourceRow
	Routes  []RouteRow
	Names   []NameRow
}

// SourceRow is an endpoint.
type SourceRow struct {
	Source int64
	Name   string
	// Watermark is the newest created_at among the ids that were forgotten, Newest the
	// newest that was accepted, 0 for none.
	Watermark, Newest int64
}

// RouteRow is a queue.
type RouteRow struct {
	Route, Source int64
	Name          string
	// Merged is the queue that has taken it over, 0 for none.
	Merged int64
	// Hold is that of an operator as JSON, empty for none. Those of dispatchers do not
	// outlive their process.
	Hold string
}

// NameRow is a name that leads to a queue.
type NameRow struct {
	Source int64
	Name   string
	Route  int64
}

// EventRow is an event.
type EventRow struct {
	Seq int64
	// At is the age at which it was stored.
	At, Source int64
	ID, Type   string
	Head, Body []byte
}

// DeliveryRow is a delivery with its log. It belongs to no process: what ran is running,
// without a lease.
type DeliveryRow struct {
	Number, Route int64
	// Key is the spool.KeyHash that orders it, 0 for none.
	Key              int64
	State            int16
	Attempts, Replay int32
	// Due is by Now, and for one that has ended the age at which it did; Ended is shown
	// to people.
	Due, Ended int64
	Reason     string
	Log        []byte
}

// IDRow is an id that is remembered.
type IDRow struct {
	Source int64
	ID     string
	Digest []byte
	Seq    int64
	// Created is its created_at, 0 for none, Base the age from which a window is counted,
	// in whole seconds.
	Created, Base int64
	Conflicts     int16
}

// OddRow is an entry of quarantine.
type OddRow struct {
	Number int64
	// At is the age at which it was stored.
	At, Source int64
	Reason     string
	Copies     int32
	Size       int64
	Digest     []byte
	ID, Type   string
	Head, Body []byte
}

// Counts are how many rows there are of each kind.
type Counts struct {
	Events, Deliveries, IDs, Odd int64
}

// WholeSeconds returns an age in whole seconds, not below it. An engine may remember no
// more of the age from which a window is counted: an id stays a second longer.
func WholeSeconds(age int64) int64 { return (age + 1e9 - 1) / 1e9 }
