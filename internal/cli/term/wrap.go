package term

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Columns is the width of a terminal into which every text fits.
const Columns = 80

// colour is the sequence that a Palette writes before and behind a word.
var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Width returns how many columns s takes; colours take none.
func Width(s string) int { return utf8.RuneCountInString(colour.ReplaceAllString(s, "")) }

// Wrap returns line with a break between words wherever it would be wider than
// Columns; each further line is indented by that many spaces. A word that is too
// wide by itself stays whole. glue ends each line but the last: with " \" a shell
// reads the lines as one command.
func Wrap(line string, indent int, glue string) string {
	body := strings.TrimLeft(line, " ")
	lead := line[:len(line)-len(body)]
	if Width(line) <= Columns {
		return line
	}
	var b strings.Builder
	at := len(lead)
	b.WriteString(lead)
	for i, word := range splitWords(body, glue != "") {
		gap := len(word) - len(strings.TrimLeft(word, " "))
		if i > 0 && at+Width(word)+len(glue) > Columns {
			b.WriteString(glue + "\n" + strings.Repeat(" ", indent))
			word, at = word[gap:], indent
		}
		b.WriteString(word)
		at += Width(word)
	}
	return b.String()
}

// splitWords returns the words of text, each with the spaces before it. In a command
// a flag and its value are one word, and so is what stands in quotes.
func splitWords(text string, command bool) (words []string) {
	quoted, begin := false, 0
	for i := 0; i < len(text); i++ {
		if text[i] == '\'' {
			quoted = command && !quoted
		}
		starts := text[i] == ' ' && i > begin && text[i-1] != ' ' && !quoted
		word := strings.TrimLeft(text[begin:i], " ")
		value := command && strings.HasPrefix(word, "-") && !strings.Contains(word, " ") && !strings.HasPrefix(text[i:], " -")
		if starts && !value {
			words = append(words, text[begin:i])
			begin = i
		}
	}
	return append(words, text[begin:])
}
