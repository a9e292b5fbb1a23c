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

// logScan follows the frames of a log by their checksums as SQLite does, to
// tell what SQLite drops without a word: an end that was torn or never
// committed, and all that stands behind a frame that has gone bad.
type logScan struct {
	order  binary.ByteOrder
	salt   [8]byte
	s1, s2 uint32
	rest   []byte // of a unit that is not whole yet
	size   int64  // bytes seen
	kept   int64  // end of the last commit that checks
	checks int64  // end of the last frame that does
	broken bool
	torn   bool // what follows is no left-over of an older log
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

// mayBeOurs says whether a salt is ours, whole or cut short with zeros behind it. A log
// that begins anew leaves the frames of the one before behind it, whose salt has
// another first half, and a second one by chance.
func (l *logScan) mayBeOurs(salt []byte) bool {
	return bytes.Equal(salt[:4], l.salt[:4]) || binary.BigEndian.Uint32(salt[4:]) == 0
}

func (l *logScan) sum(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		l.s1 += l.order.Uint32(b) + l.s2
		l.s2 += l.order.Uint32(b[4:]) + l.s1
	}
}

// dropped is how many bytes at the end SQLite will not read, without those that
// an older log left behind.
func (l *logScan) dropped() int64 {
	switch {
	case l.torn, !l.broken:
		return l.size - l.kept
	default:
		return l.checks - l.kept
	}
}
