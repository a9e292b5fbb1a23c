package page

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Funcs returns the functions of templates.
func Funcs() template.FuncMap {
	return template.FuncMap{
		"asset":    assetPath,
		"time":     func(now, t time.Time) template.HTML { return Frame{Now: now}.Time(t) },
		"ago":      func(now, t time.Time) template.HTML { return Frame{Now: now}.Ago(t) },
		"plot":     func(now time.Time, p Plot) template.HTML { return Frame{Now: now}.Plot(p) },
		"show":     Show,
		"text":     Text,
		"plain":    Plain,
		"short":    Short,
		"size":     Size[int64],
		"sizeInt":  Size[int],
		"sizeUint": Size[uint64],
		"count":    Count[int64],
		"countInt": Count[int],
		"duration": Duration,
		"ms":       Milliseconds,
	}
}

// odd reports whether a character has no shape of its own, or changes that of others.
func odd(c rune) bool {
	switch {
	case c == ' ':
		return false
	case c == '\u115f', c == '\u1160', c == '\u3164', c == '\uffa0', c == '\u2800', c == '\u034f':
		return true // Fillers: letters for Unicode, nothing for a reader.
	}
	return unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Zs, unicode.Co, unicode.Noncharacter_Code_Point)
}

// split calls f with the parts of a text: those that are shown as they are, and in their
// turn each character (or byte that is none) that is shown by its number. Where lines is
// set, line feeds and tabs are as they are.
func split(s string, lines bool, f func(part string, isOdd bool)) {
	begin := 0
	for i := 0; i < len(s); {
		c, w := utf8.DecodeRuneInString(s[i:])
		name := ""
		switch {
		case c == utf8.RuneError && w == 1:
			name = fmt.Sprintf("⟨x%02X⟩", s[i])
		case lines && (c == '\n' || c == '\t'):
		case odd(c):
			name = fmt.Sprintf("⟨U+%04X⟩", c)
		}
		if name != "" {
			if begin < i {
				f(s[begin:i], false)
			}
			f(name, true)
			begin = i + w
		}
		i += w
	}
	if begin < len(s) {
		f(s[begin:], false)
	}
}

// Clear reports whether a text of several lines has nothing that cannot be seen.
func Clear(s string) bool {
	clear := true
	split(s, true, func(_ string, isOdd bool) { clear = clear && !isOdd })
	return clear
}

// Plain returns a text with what cannot be seen shown by its number, as ⟨U+202E⟩, for an
// attribute or a title.
func Plain(s string) string {
	var b strings.Builder
	split(s, false, func(part string, _ bool) { b.WriteString(part) })
	return b.String()
}

// Show returns foreign text of one line as HTML: on its own in its direction, and with
// what cannot be seen shown by its number.
func Show(s string) template.HTML { return markup("bdi", s, false) }

// Text is Show for text of several lines.
func Text(s string) template.HTML { return markup("bdi", s, true) }

func markup(element, s string, lines bool) template.HTML {
	var b strings.Builder
	b.WriteString("<" + element + ">")
	split(s, lines, func(part string, isOdd bool) {
		if isOdd {
			b.WriteString(`<span class="odd">` + part + `</span>`)
			return
		}
		template.HTMLEscape(&b, []byte(part))
	})
	b.WriteString("</" + element + ">")
	return template.HTML(b.String()) // Each part was escaped.
}

// Short returns a text of at most n characters; one that is longer ends in "…".
func Short(n int, s string) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	i := 0
	for range n - 1 {
		_, w := utf8.DecodeRuneInString(s[i:])
		i += w
	}
	return s[:i] + "…"
}

// Size returns a number of bytes in words: 612 MiB.
func Size[N int | int64 | uint64](n N) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), 0
	for v >= 1023.5 && unit < 5 {
		v /= 1024
		unit++
	}
	digits := 0
	if v < 9.95 {
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}[unit]
}

// Count returns a number with its thousands apart: 1,204.
func Count[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Milliseconds returns a number of milliseconds in words.
func Milliseconds(n int64) string {
	if n == 0 {
		return "under 1 ms" // A zero is what was cut off.
	}
	return Duration(time.Duration(n) * time.Millisecond)
}

// Duration returns a length of time in at most two units: 41 ms, 12 min, 3 d 4 h.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return "under 1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second && d%time.Second != 0:
		return strings.TrimSuffix(strconv.FormatFloat(math.Floor(d.Seconds()*10)/10, 'f', 1, 64), ".0") + " s"
	}
	units := []struct {
		name string
		of   time.Duration
	}{{"year", 365 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.of {
			continue
		}
		n := d / u.of
		text := fmt.Sprintf("%d %s", n, u.name)
		if u.name == "year" && n > 1 {
			text += "s"
		}
		if n < 10 && i+1 < len(units) {
			if rest := d % u.of / units[i+1].of; rest > 0 {
				text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return text
	}
	return ""
}

const (
	timeWhole = "2006-01-02 15:04:05.000 UTC"
	timeWire  = "2006-01-02T15:04:05.000Z"
)

// Time returns a time as HTML, in UTC; the script shows it as the reader wants. A zero
// time is a dash.
func (f Frame) Time(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	layout := "15:04:05"
	switch age := f.Now.Sub(t); {
	case t.Year() != f.Now.UTC().Year():
		layout = "2006-01-02 15:04"
	case age > 20*time.Hour || age < -20*time.Hour:
		layout = "2 Jan 15:04"
	}
	return element(t, f.relative(t), t.Format(layout), "")
}

// Ago returns a time as HTML, by how long ago it is; a zero time is "never".
func (f Frame) Ago(t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	return element(t.UTC(), "", f.relative(t), ` class="ago"`)
}

func element(t time.Time, also, text, attr string) template.HTML {
	title := t.Format(timeWhole)
	if also != "" {
		title += ", " + also
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s"%s>%s</time>`, t.Format(timeWire), title, attr, text)) // Digits and our own words.
}

// relative returns a time by how long ago it is.
func (f Frame) relative(t time.Time) string {
	d := f.Now.Sub(t)
	switch {
	case d > -time.Second && d < time.Second:
		return "now"
	case d < 0:
		return "in " + Duration((-d).Truncate(time.Second))
	}
	return Duration(d.Truncate(time.Second)) + " ago"
}
