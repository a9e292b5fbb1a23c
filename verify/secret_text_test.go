package verify

import (
	"slices"
	"strings"
	"testing"
)

func keysOf(secrets []Secret) (keys []string) {
	for _, s := range secrets {
		keys = append(keys, string(s.Key))
	}
	return keys
}

func TestParseSecrets(t *testing.T) {
	t.Parallel()
	a, b := "5d41402abc4b2a76", "7d793037a0760186574b"
	for text, want := range map[string][]string{
		a:                     {a},
		a + "\n":              {a},
		a + "\r\n" + b:        {a, b},
		"\n" + a + "\n\n" + b: {a, b},
		// Whether a comma separates or belongs to the secret nobody can see.
		a + "," + b:   {a, b, a + "," + b},
		a + " , " + b: {a, b, a + " , " + b},
		// A comma belongs to the secret when a part would be too short.
		a + ",short":                 {a + ",short"},
		a + "," + b + "\n" + a:       {a, b, a + "," + b, a},
		"\ufeff" + a:                 {a},
		" " + a + "\t\r\n" + b + " ": {a, b},
		a + "\r" + b:                 {a, b},
		"":                           nil,
		" \n\t\r\n":                  nil,
	} {
		secrets, warnings, err := ParseSecrets("name", text)
		if got := keysOf(secrets); err != nil || warnings != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %q, %v, want %q", text, got, warnings, err, want)
		}
	}
}

// What stands for a secret and is none is refused: it is the same for everybody
// who made the same mistake.
func TestParseSecretsRefuses(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"$INBOX_WEBHOOK_SECRET":         "no shell has put a value",
		"${INBOX_WEBHOOK_SECRET}":       "no shell has put a value",
		"INBOX_WEBHOOK_SECRET":          "name of a variable",
		"{{ .Values.webhookSecret }}":   "nothing has filled in",
		"<your-webhook-secret>":         "nothing has filled in",
		"vault:secret/data/inbox#key":   "nothing fetches it",
		"changemechangeme":              "a filler",
		"a-secret-of-16-bytes-or-more":  "a filler",
		"1234567890123456":              "a filler",
		"\xff\xfea\x00":                 "UTF-16",
		"a\x00b\x00":                    "NUL byte",
		"5d41402abc4b2a76\nchangeme123": "in line 2 it is a filler",
	} {
		secrets, _, err := ParseSecrets("name", text)
		if err == nil || secrets != nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), text) {
			t.Errorf("%q: got %v, want %q", text, err, says)
		}
	}
}

func TestParseSecretsWarns(t *testing.T) {
	t.Parallel()
	const a = "5d41402abc4b2a76b9719d911017c592"
	for text, says := range map[string]string{
		`"` + a + `"`:            "quotation mark",
		"SIGNING = " + a:         "NAME=value",
		"# " + a:                 "no comment here",
		a + ";" + a:              "semicolon",
		a[:8] + " " + a[8:]:      "white space",
		a + "\u00fc":             "printable ASCII",
		`{"secret":"` + a + `"}`: "as JSON does",
		`["` + a + `"]`:          "as JSON does",
		a + ";":                  "ends in a mark",
		a + ",":                  "ends in a mark",
		a + `\`:                  "ends in a mark",
		a + "\n" + a + " ":       "",
		a + "," + a + "," + a:    "several commas",
		a + "\n'" + a + "'":      "in line 2 begins or ends",
	} {
		secrets, warnings, err := ParseSecrets("name", text)
		all := strings.Join(warnings, "\n")
		if err != nil || len(secrets) == 0 || (says == "") != (all == "") || !strings.Contains(all, says) || strings.Contains(all, a) {
			t.Errorf("%q: got %q, %v, want %q", text, all, err, says)
		}
	}
}
