package sqlite

// limits are bounds of the engine that no operator sets. Zero fields mean the
// defaults.
type limits struct {
	// recent is how many recent ids gather before they are merged into the table.
	// At most 2.5 times as many are in memory, at about 170 bytes each. Default
	// 65,536.
	recent int
	// run is how many recent ids are sorted at a time. Default 1,024.
	run int
	// rooms are the sizes that the filter of ids is tried with, in ids. Default
	// 65,536 to 16 M.
	rooms filterRooms
	// inspect is the size in bytes up to which a start of the process looks at
	// every page of a database, which takes some tenths of a second then. In a
	// larger one only what is read is checked. Default 16 MiB.
	inspect int64
}

// withDefaults returns l with its zero fields filled.
func (l limits) withDefaults() limits {
	if l.recent == 0 {
		l.recent = 1 << 16
	}
	if l.run == 0 {
		l.run = 1 << 10
	}
	if l.rooms == (filterRooms{}) {
		l.rooms = filterRooms{1 << 16, 1 << 19, 1 << 22, 1 << 24}
	}
	if l.inspect == 0 {
		l.inspect = 16 << 20
	}
	return l
}
