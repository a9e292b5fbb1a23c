package sqlite

import (
	"bytes"
	"encoding/binary"
)

const (
	logHead   = 32
	frameHead = 24
	frameSize = frameHead + pageSize
)

// logScan follows the frames of a log by their checksums, as SQLite does. It is there to
// log what SQLite drops silently: an end that was torn or never committed, and all that
// stands behind a frame that has gone bad. The format is that of
// https://sqlite.org/fileformat2.html#the_write_ahead_log.
type logScan struct {
	// order is that of the checksums' words; nil before the header was read.
	order binary.ByteOrder
	// salt is what the header says all frames of this log carry.
	salt [8]byte
	// s1 and s2 are the running checksum, which each frame continues.
	s1, s2 uint32
	// rest is the beginning of a header or frame that is not whole yet.
	rest []byte
	// size is how many bytes were added.
	size int64
	// kept is where the last commit ends that checks: SQLite reads up to there.
	kept int64
	// checks is where the last frame ends that checks, committed or not.
	checks int64
	// broken reports that a frame did not check: nothing behind it counts.
	broken bool
	// torn reports that what did not check was written for this log. Else it is left
	// over from an older, longer one, and nothing is missing.
	torn bool
}

// add takes the next bytes of the log.
func (l *logScan) add(p []byte) {
	l.rest = append(l.rest, p...)
	l.size += int64(len(p))
	if l.order == nil && !l.broken && len(l.rest) >= logHead {
		l.head(l.rest[:logHead])
		l.rest = l.rest[logHead:]
	}
	for l.order != nil && len(l.rest) >= frameSize {
		l.frame(l.rest[:frameSize])
		l.rest = l.rest[frameSize:]
	}
	l.rest = bytes.Clone(l.rest)
}

// head reads the header of the log. One that does not check drops the whole log.
func (l *logScan) head(b []byte) {
	switch binary.BigEndian.Uint32(b) {
	case 0x377f0682:
		l.order = binary.LittleEndian
	case 0x377f0683:
		l.order = binary.BigEndian
	default:
		l.broken, l.torn = true, true
		return
	}
	l.sum(b[:24])
	if l.s1 != binary.BigEndian.Uint32(b[24:]) || l.s2 != binary.BigEndian.Uint32(b[28:]) {
		l.order, l.broken, l.torn = nil, true, true
		return
	}
	copy(l.salt[:], b[16:24])
	l.kept, l.checks = logHead, logHead
}

// frame reads the next frame. The first that does not check breaks the scan; those after
// it only decide whether something of this log is missing.
func (l *logScan) frame(b []byte) {
	ours := bytes.Equal(b[8:16], l.salt[:])
	if l.broken {
		l.torn = l.torn || ours
		return
	}
	s1, s2 := l.s1, l.s2
	l.sum(b[:8])
	l.sum(b[frameHead:])
	page := binary.BigEndian.Uint32(b)
	if !ours || page == 0 || l.s1 != binary.BigEndian.Uint32(b[16:]) || l.s2 != binary.BigEndian.Uint32(b[20:]) {
		l.s1, l.s2, l.broken = s1, s2, true
		l.torn = page == 0 || l.mayBeOurs(b[8:16])
		return
	}
	l.checks += frameSize
	if binary.BigEndian.Uint32(b[4:]) != 0 { // the last frame of a commit
		l.kept = l.checks
	}
}

// mayBeOurs reports whether a salt is the one of this log, whole or cut short with zeros
// behind it. A log that begins again leaves the frames of the one before behind it. Their
// salt has another first half, which SQLite counts up, and a second one by chance.
func (l *logScan) mayBeOurs(salt []byte) bool {
	return bytes.Equal(salt[:4], l.salt[:4]) || binary.BigEndian.Uint32(salt[4:]) == 0
}

// sum continues the checksum over b, whose length is a multiple of eight.
func (l *logScan) sum(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		l.s1 += l.order.Uint32(b) + l.s2
		l.s2 += l.order.Uint32(b[4:]) + l.s1
	}
}

// dropped returns how many bytes at the end SQLite will not read, without those that an
// older log left behind.
func (l *logScan) dropped() int64 {
	switch {
	case l.torn, !l.broken:
		return l.size - l.kept
	default:
		return l.checks - l.kept
	}
}
