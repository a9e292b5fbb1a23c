package term

import (
	"regexp"
	"strings"
	"unicode"
)

// Cell returns s as one cell of a line or a table: with a space for each character
// that could move the cursor or the columns.
func Cell(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// Cut returns text in at most width columns, with a mark where it was cut.
func Cut(text string, width int) string {
	r := []rune(text)
	if len(r) <= width {
		return text
	}
	return string(r[:width-1]) + "…"
}

// plainWord is what a shell reads as one word without quotes.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=-]+$`)

// ShellWord returns s as it has to be typed, so that a shell reads exactly it.
func ShellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(Cell(s), "'", `'\''`) + "'"
}
