package platform

import (
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// fields are the members of one or more JSON objects: the first that has a
// name, with a value of the right kind, wins.
type fields []map[string]jsontext.Value

// fieldsOf returns the members of an object, nil for anything else.
func fieldsOf(value []byte) fields {
	var m map[string]jsontext.Value
	if json.Unmarshal(value, &m, lenient) != nil || m == nil {
		return nil
	}
	return fields{m}
}

// raw returns the first member of that name, nil for none.
func (f fields) raw(name string) jsontext.Value {
	for _, m := range f {
		if v, ok := m[name]; ok {
			return v
		}
	}
	return nil
}

// get returns the first member with one of the names that is a T.
func get[T any](f fields, names []string) (v T, ok bool) {
	for _, n := range names {
		for _, m := range f {
			raw, has := m[n]
			if !has || raw.Kind() == jsontext.KindNull {
				continue
			}
			var t T
			if json.Unmarshal(raw, &t, lenient) == nil {
				return t, true
			}
		}
	}
	return v, false
}

// text returns a text member. It may end up in a terminal, so it has no control
// characters.
func (f fields) text(names ...string) string {
	s, _ := get[string](f, names)
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// texts returns a member that is a list of texts.
func (f fields) texts(names ...string) []string {
	s, _ := get[[]string](f, names)
	return s
}

// number returns a whole number, 0 for one that a float64 cannot hold exactly.
func (f fields) number(names ...string) int64 {
	n, _ := get[float64](f, names)
	if math.Abs(n) >= 1<<53 {
		return 0
	}
	return int64(n)
}

// time returns a time that is given in RFC 3339 or in seconds since 1970.
func (f fields) time(names ...string) time.Time {
	if t, ok := get[time.Time](f, names); ok {
		return t
	}
	if s := f.number(names...); s > 0 {
		return time.Unix(s, 0).UTC()
	}
	return time.Time{}
}
