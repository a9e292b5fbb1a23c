package term

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
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

// Cut returns text in at most width columns, with a mark where it was cut. Colours
// take none, and end where they would have.
func Cut(text string, width int) string {
	if Width(text) <= width {
		return text
	}
	var b strings.Builder
	left := width - 1
	for len(text) > 0 {
		if at := colour.FindStringIndex(text); at != nil && at[0] == 0 {
			b.WriteString(text[:at[1]])
			text = text[at[1]:]
			continue
		}
		_, size := utf8.DecodeRuneInString(text)
		if left > 0 {
			b.WriteString(text[:size])
		} else if left == 0 {
			b.WriteString("…")
		}
		left--
		text = text[size:]
	}
	return emptyColour.ReplaceAllString(b.String(), "")
}

// emptyColour is a colour that begins and ends around nothing.
var emptyColour = regexp.MustCompile("\x1b\\[[1-9][0-9;]*m\x1b\\[0m")

// cutStart returns text, which has no colours, in at most width columns, with a mark
// where its beginning was cut.
func cutStart(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width || width < 1 {
		return text
	}
	return "…" + string(runes[len(runes)-width+1:])
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
