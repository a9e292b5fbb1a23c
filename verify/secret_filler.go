package verify

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"unicode"
)

// placeholding refuses what stands where a secret should be and is none: it is
// the same for everybody who made the same mistake, so anyone can sign with it.
func placeholding(secret string) error {
	const instead = "put the value itself there, or write {env.NAME} or {file./path} in a Caddyfile"
	switch {
	case strings.HasPrefix(secret, "$"):
		return errors.New("it begins with $, and no shell has put a value in its place: " + instead)
	case unexpanded.MatchString(secret):
		return errors.New("it is a placeholder that nothing has filled in: " + instead)
	case address.MatchString(secret):
		return errors.New("it says where the secret is, and nothing fetches it from there: " + instead)
	case isVariable(secret):
		return errors.New("it is the name of a variable and not its value: " + instead)
	case isFiller(secret):
		return errors.New("it is a filler that anyone can guess: put the value itself there, as it was given to you")
	}
	return nil
}

var (
	// unexpanded are forms of %NAME%, {{ name }}, <your secret>, [secret] and so on.
	unexpanded = regexp.MustCompile(`^(%[A-Za-z_][A-Za-z0-9_]*%|\{\{.*\}\}|<[A-Za-z][A-Za-z _-]*>|\[[A-Za-z][A-Za-z _-]*\]|#\{.*\}|@[A-Za-z_.-]+@|(process\.)?env[.:][A-Za-z_]\w*|os\.environ\W.*)$`)
	// address is where a secret is: in a store of secrets, or a path.
	address      = regexp.MustCompile(`^([a-z][a-z0-9+.-]*://|arn:aws|ENC\[|vault:|(/var)?/run/secrets/|/etc/|file:|file\.)`)
	variableName = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)
	assigned     = regexp.MustCompile(`^(export\s+|set\s+|\$env:)?INBOX_[A-Z_]+\s*=`)
)

// isVariable: the value names a variable that is set, or is written like the
// name of one: words of capitals, as no generator of secrets makes them.
func isVariable(s string) bool {
	if v, ok := os.LookupEnv(s); ok && v != s {
		return true
	}
	if assigned.MatchString(s) {
		return true
	}
	if !variableName.MatchString(s) {
		return false
	}
	for _, word := range strings.Split(s, "_") {
		digits := strings.IndexFunc(word, unicode.IsDigit)
		if len(word) > 12 || digits > 0 && strings.ContainsFunc(word[digits:], unicode.IsLetter) || digits == 0 && len(word) > 4 {
			return false
		}
	}
	return true
}

// fillers are the words of which people make a value that is to be replaced.
var fillers = strings.Fields(`
	admin api app bar baz change changed changeit changeme changethis default demo dummy enter example fill fixme foo
	goes here hmac hook hooks inbox inboxgate insecure insert key keys letmein me my mysecret not paste pass passphrase
	passwd password placeholder please put qwerty replace replaceme replacewith sample secret secretkey secrets secure
	set shared signing string super supersecret test testing tbd this to todo token top topsecret unsafe value very
	webhook webhooks whsec with wh x your yourkey yours yoursecret`)

// samples are the values that our own documentation has shown.
var samples = []string{
	"a-secret-of-16-bytes-or-more",
	"the webhook secret, 16 bytes or more",
	"the webhook secret",
}

// isFiller: nothing but such words, one character over and over, or digits in a row.
func isFiller(s string) bool {
	for _, sample := range samples {
		if strings.ToLower(s) == sample {
			return true
		}
	}
	var letters strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r):
			letters.WriteRune(r)
		case r == '-', r == '_', r == '.', r == ' ', r == '!', r == '*', r == '#', r == '+', r == '/', r == ',', r == ':', r == '=':
		default:
			return false
		}
	}
	return madeOf(letters.String())
}

// madeOf tells whether s can be cut into fillers and runs. No more than the last
// run may be of digits: what has several is likely to be more than a filler.
func madeOf(s string) bool {
	possible := make([]bool, len(s)+1)
	possible[0] = true
	for i := range s {
		if !possible[i] {
			continue
		}
		for _, w := range fillers {
			if strings.HasPrefix(s[i:], w) {
				possible[i+len(w)] = true
			}
		}
		for n := 3; i+n <= len(s) && sameOrRow(s[i:i+n]); n++ {
			possible[i+n] = true
		}
		if rest := s[i:]; len(rest) <= 2 && strings.Trim(rest, "0123456789") == "" {
			return true // secret1, password01
		}
	}
	return possible[len(s)]
}

// sameOrRow: xxxx, 0000 or 123456789012.
func sameOrRow(s string) bool {
	same, row := true, true
	for i := 1; i < len(s); i++ {
		same = same && s[i] == s[i-1]
		row = row && s[i] >= '0' && s[i] <= '9' && s[i-1] >= '0' && s[i-1] <= '9' && (s[i]-'0') == (s[i-1]-'0'+1)%10
	}
	return same || row
}
