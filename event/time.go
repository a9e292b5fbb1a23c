package event

import (
	"bytes"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// readTime reads all of RFC 3339: t and z in either case, any number of digits
// of a fraction (those below a nanosecond are dropped), and a leap second, which
// is the second after it.
func readTime(value jsontext.Value) (time.Time, error) {
	text, err := unquote(value, ErrCreatedAt)
	if err != nil {
		return time.Time{}, err
	}
	if !looksRFC3339(text) {
		return time.Time{}, ErrCreatedAt
	}
	var plain [64]byte
	upper, leap := append(plain[:0], text...), time.Duration(0)
	upper[dateLen] = 'T'
	if last := len(upper) - 1; upper[last] == 'z' {
		upper[last] = 'Z'
	}
	if s := upper[secondsAt : secondsAt+2]; string(s) == "60" {
		copy(s, "59")
		leap = time.Second
	}
	var t time.Time
	if t.UnmarshalText(upper) != nil {
		return time.Time{}, ErrCreatedAt
	}
	t = t.UTC()
	if leap != 0 && (t.Hour() != 23 || t.Minute() != 59) {
		return time.Time{}, ErrCreatedAt
	}
	t = t.Add(leap)
	if y := t.Year(); y < 1970 || y > 2261 {
		return time.Time{}, ErrCreatedAtRange
	}
	return t, nil
}

const (
	dateLen   = len("2006-01-02")
	secondsAt = len("2006-01-02T15:04:")
)

// looksRFC3339 refuses what package time is too kind to: an hour of one digit,
// a comma before the fraction, and an offset of a day or more. The app behind
// us may read such a time otherwise, or not at all.
func looksRFC3339(text []byte) bool {
	const seconds = secondsAt + 2
	if len(text) <= seconds || !fits(text[:dateLen], "0000-00-00") || text[dateLen]|' ' != 't' ||
		!fits(text[dateLen+1:seconds], "00:00:00") {
		return false
	}
	zone := text[seconds:]
	if zone[0] == '.' {
		zone = bytes.TrimLeft(zone[1:], "0123456789")
	}
	if len(zone) == 1 {
		return zone[0]|' ' == 'z'
	}
	return (fits(zone, "+00:00") || fits(zone, "-00:00")) && string(zone[1:3]) < "24" && string(zone[4:6]) < "60"
}

// fits compares text with a pattern in which 0 stands for any digit.
func fits(text []byte, pattern string) bool {
	if len(text) != len(pattern) {
		return false
	}
	for i, c := range text {
		if digit := '0' <= c && c <= '9'; digit != (pattern[i] == '0') || !digit && c != pattern[i] {
			return false
		}
	}
	return true
}
