package verify

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// WholeLine ends the Label of a secret that ParseSecrets also took apart at its
// commas.
const WholeLine = " with its commas"

// ParseSecrets takes the secrets out of a text as a person wrote it, be it a
// file or a variable: one a line, without the white space around it and the marks
// that editors leave. Whether a comma separates two secrets or belongs to one
// nobody can see, so where every part has at least MinSecret bytes both are taken:
// the parts, and the whole line after them.
//
// The Labels are name, or name/1, name/2 and so on. warnings say, without the
// secret, what looks as if it did not belong to it, such as quotation marks. It
// is an error if the text can be no secret: UTF-16, the name of a variable, a
// placeholder, or a filler such as changeme, which anyone could guess. How long
// a secret is New judges. A text with nothing in it has no secrets, and no error.
func ParseSecrets(name, text string) (secrets []Secret, warnings []string, err error) {
	text, err = plainText(text)
	if err != nil {
		return nil, nil, err
	}
	var all []reading
	lines := secretLines(text)
	for i, line := range lines {
		in := ""
		if len(lines) > 1 {
			in = fmt.Sprintf("in line %d ", i+1)
		}
		of := readings(line)
		for _, r := range of {
			if err := placeholding(r.text); err != nil {
				return nil, nil, fmt.Errorf("%s%w", in, err)
			}
			if r.whole {
				continue
			}
			for _, what := range oddities(r.text) {
				warnings = append(warnings, in+what)
			}
		}
		if strings.Count(line, ",") > 1 {
			warnings = append(warnings, in+"holds several commas, and one of them may belong to a secret: put each secret on a line of its own")
		}
		all = append(all, of...)
	}
	for i, r := range all {
		secrets = append(secrets, Secret{Key: []byte(r.text), Label: r.label(name, i, len(all))})
	}
	return secrets, warnings, nil
}

const byteOrderMark = "\ufeff"

// plainText is a text without the marks that editors and shells put around it.
// What can be no secret in any reading is an error.
func plainText(raw string) (string, error) {
	switch {
	case strings.HasPrefix(raw, "\xff\xfe"), strings.HasPrefix(raw, "\xfe\xff"):
		return "", errors.New("it is written in UTF-16, as PowerShell's > does: save it as UTF-8 (Set-Content -Encoding ascii)")
	case strings.IndexByte(raw, 0) >= 0:
		return "", errors.New("it holds a NUL byte, so it is no text, or is written in UTF-16: save it as UTF-8")
	}
	return strings.ReplaceAll(raw, byteOrderMark, ""), nil
}

// secretLines are the lines of a text that hold more than white space, each
// without the white space around it.
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

// readings are the secrets of a line.
func readings(line string) (all []reading) {
	parts := strings.Split(line, ",")
	for _, p := range parts {
		p = strings.TrimSpace(p)
		if len(parts) == 1 || len(p) < MinSecret {
			return []reading{{text: line}}
		}
		all = append(all, reading{text: p})
	}
	return append(all, reading{text: line, whole: true})
}

// label names the ith of n readings in errors.
func (r reading) label(name string, i, n int) string {
	switch {
	case r.whole:
		return name + WholeLine
	case n == 1:
		return name
	}
	return name + "/" + strconv.Itoa(i+1)
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
	if strings.ContainsRune("{[", first) && strings.ContainsRune("}]", last) {
		odd = append(odd, "stands in brackets, as JSON does, and all of it is taken for the secret: leave only the value")
	}
	if strings.ContainsRune(`;,\`, last) {
		odd = append(odd, "ends in a mark that ends a line elsewhere, and is taken for a part of it: remove the mark if the platform shows none")
	}
	if assignment.MatchString(secret) {
		odd = append(odd, "looks like NAME=value, and all of it is taken for the secret: leave only the value")
	}
	if strings.HasPrefix(secret, "#") {
		odd = append(odd, "begins with #, and is no comment here: remove the line if it is meant as one")
	}
	if before, after, ok := strings.Cut(secret, ";"); ok && len(before) >= MinSecret && len(after) >= MinSecret {
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
