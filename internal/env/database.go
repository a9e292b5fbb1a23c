package env

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
)

// ReadDatabaseURL reads where the database is from DatabaseURL, or from the file that
// DatabaseURLFile names. None is no error. It may hold a password: no error has it.
func ReadDatabaseURL() (string, error) {
	value, file := strings.TrimSpace(os.Getenv(DatabaseURL)), os.Getenv(DatabaseURLFile)
	switch {
	case value != "" && file != "":
		return "", BothSetError{DatabaseURL, DatabaseURLFile}
	case file == "":
		return value, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", DatabaseURLFile, err)
	}
	value = strings.TrimSpace(strings.TrimPrefix(string(raw), "\ufeff"))
	if value == "" || strings.ContainsAny(value, "\r\n") {
		return "", fmt.Errorf("%s, which %s names, must hold one line, such as postgres://inboxgate@db.example.com/inboxgate", file, DatabaseURLFile)
	}
	return value, nil
}

var (
	// placeholder is one of Caddy's, such as {env.NAME} or {file./path}.
	placeholder = regexp.MustCompile(`\{[a-z]+\.[^{}]*\}`)
	// keyword finds the values of passwords in the form of libpq, `password='x y'`, and in
	// the query of a URL.
	keyword = regexp.MustCompile(`(?i)(?:^|[\s?&])(?:ssl)?password\s*=\s*('(?:[^'\\]|\\.)*'?|[^\s&]*)`)
)

// filled stands for a placeholder while a text is read as a URL.
const filled = "PLACEHOLDER"

// HoldsPassword reports whether the address of a database has a password written into
// it, and not only placeholders that lead to one. It reads what is mistyped as well,
// and would rather see a password too many.
func HoldsPassword(dsn string) bool {
	text := placeholder.ReplaceAllString(dsn, filled)
	for _, found := range keyword.FindAllStringSubmatch(text, -1) {
		if literal(strings.Trim(found[1], "'")) {
			return true
		}
	}
	_, rest, ok := strings.Cut(text, "://")
	if !ok {
		return false
	}
	if u, err := url.Parse(text); err == nil {
		for name := range u.Query() { // A name may be encoded as well: pass%77ord.
			if name := strings.ToLower(name); (name == "password" || name == "sslpassword") && literal(u.Query().Get(name)) {
				return true
			}
		}
		if u.User == nil {
			return false
		}
		password, _ := u.User.Password()
		return literal(password)
	}
	// No URL: a password that nobody has encoded may be the reason.
	end := strings.LastIndex(rest, "@")
	if end < 0 {
		return false
	}
	_, password, _ := strings.Cut(rest[:end], ":")
	return literal(password)
}

// literal reports whether there is more to a password than placeholders.
func literal(password string) bool {
	return strings.ReplaceAll(password, filled, "") != ""
}
