package caddymodule

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const byteOrderMark = "\ufeff"

// plainText is a text as a person wrote it, without the marks that editors and
// shells put around it. What can be no secret in any reading is an error.
func plainText(raw []byte) (string, error) {
	switch {
	case bytes.HasPrefix(raw, []byte{0xff, 0xfe}), bytes.HasPrefix(raw, []byte{0xfe, 0xff}):
		return "", errors.New("it is written in UTF-16, as PowerShell's > does: save it as UTF-8 (Set-Content -Encoding ascii)")
	case bytes.IndexByte(raw, 0) >= 0:
		return "", errors.New("it holds a NUL byte, so it is no text, or is written in UTF-16: save it as UTF-8")
	}
	return strings.ReplaceAll(string(raw), byteOrderMark, ""), nil
}

// secretLines takes the secrets out of a text, one a line, each without the
// white space around it.
func secretLines(text string) (lines []string) {
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// reading is one way to take a line: as a secret, or as a part of one.
type reading struct {
	text string
	// whole: the line holds commas, and the parts are readings too.
	whole bool
}

// readings are the secrets of a line. Whether a comma separates two secrets or
// belongs to one nobody can see, so both are taken: the parts, and after them
// the whole line. A line with a part of fewer than 16 bytes is one secret.
func readings(line string) (all []reading) {
	parts := strings.Split(line, ",")
	for _, p := range parts {
		p = strings.TrimSpace(p)
		if len(parts) == 1 || len(p) < minSecret {
			return []reading{{text: line}}
		}
		all = append(all, reading{text: p})
	}
	return append(all, reading{text: line, whole: true})
}

var (
	assignment = regexp.MustCompile(`^(export\s+|set\s+|\$env:)?[A-Za-z_][A-Za-z0-9_.-]*\s*[=:]\s*[^=\s]`)
	quotes     = "\"'`\u201c\u201d\u2018\u2019"
)

// oddities says what is written around a secret that looks as if it did not
// belong to it. It may all the same, so that it is no error.
func oddities(secret string) (odd []string) {
	first, _ := utf8.DecodeRuneInString(secret)
	last, _ := utf8.DecodeLastRuneInString(secret)
	if strings.ContainsRune(quotes, first) || strings.ContainsRune(quotes, last) {
		odd = append(odd, "begins or ends with a quotation mark, which is taken for a part of it: remove the marks if the platform shows none")
	}
	if assignment.MatchString(secret) {
		odd = append(odd, "looks like NAME=value, and all of it is taken for the secret: leave only the value")
	}
	if strings.HasPrefix(secret, "#") {
		odd = append(odd, "begins with #, and is no comment here: remove the line if it is meant as one")
	}
	if before, after, ok := strings.Cut(secret, ";"); ok && len(before) >= minSecret && len(after) >= minSecret {
		odd = append(odd, "holds a semicolon, which is taken for a part of it: put each secret on a line of its own")
	}
	if strings.ContainsFunc(secret, unicode.IsSpace) {
		odd = append(odd, "holds white space, which is taken for a part of it: put each secret on a line of its own")
	}
	if strings.ContainsFunc(secret, func(r rune) bool { return !unicode.IsSpace(r) && (r < '!' || r > '~') }) {
		odd = append(odd, "holds characters that are not printable ASCII: copy it from the platform again")
	}
	return odd
}

// oneToken is the one token that a text holds. A token is sent in a header, and
// nobody chooses one with marks around it: what is odd is an error.
func oneToken(text string) (string, error) {
	text, err := plainText([]byte(text))
	if err != nil {
		return "", err
	}
	lines := secretLines(text)
	switch len(lines) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", fmt.Errorf("it has %d lines: leave only the token", len(lines))
	}
	if err := placeholding(lines[0]); err != nil {
		return "", err
	}
	if odd := oddities(lines[0]); len(odd) > 0 {
		return "", fmt.Errorf("it %s", odd[0])
	}
	return lines[0], nil
}
