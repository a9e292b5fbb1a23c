package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestResolveSecrets(t *testing.T) {
	long := "0123456789abcdef"
	t.Setenv("HERE", long)
	t.Setenv("EMPTY", "")
	t.Setenv("BLANK", "   ")
	t.Setenv("NAMED", "INBOX_WEBHOOK_SECRET")
	dir := t.TempDir()
	file := filepath.Join(dir, "secrets")
	if err := os.WriteFile(file, []byte(long+"\n"+long+"second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	past, future := now.Add(-time.Hour), now.Add(time.Hour)
	for name, c := range map[string]struct {
		secrets       []Secret
		keys          int
		err, warning  string
		mustNotAppear string
	}{
		"placeholder":            {secrets: []Secret{{Value: "{env.HERE}"}}, keys: 1},
		"file with two":          {secrets: []Secret{{Value: "{file." + file + "}"}}, keys: 2},
		"literal":                {secrets: []Secret{{Value: long}}, keys: 1, warning: "is written into the configuration", mustNotAppear: long},
		"unset":                  {secrets: []Secret{{Value: "{env.NOT_SET}"}}, err: "{env.NOT_SET} is empty: set what it names"},
		"empty":                  {secrets: []Secret{{Value: "{env.EMPTY}"}}, err: "is empty: set what it names"},
		"blank":                  {secrets: []Secret{{Value: "{env.BLANK}"}}, err: "is empty"},
		"no such file":           {secrets: []Secret{{Value: "{file." + file + ".not}"}}, err: "does not exist: create it"},
		"no such file, optional": {secrets: []Secret{{Value: "{env.HERE}"}, {Value: "{file." + file + ".not}", Optional: true}}, keys: 1},
		"variable's name":        {secrets: []Secret{{Value: "{env.NAMED}"}}, err: "is the name of a variable"},
		"braces in a literal":    {secrets: []Secret{{Value: "abc{cd}efghijklmnop"}}, err: "a placeholder in it is unknown", mustNotAppear: "{cd}"},
		"optional and unset":     {secrets: []Secret{{Value: "{env.HERE}"}, {Value: "{env.NOT_SET}", Optional: true}}, keys: 1},
		"only optional, unset":   {secrets: []Secret{{Value: "{env.NOT_SET}", Optional: true}}, err: "no secret is active"},
		"no opening brace":       {secrets: []Secret{{Value: "env.INBOX_WEBHOOK_SECRET}"}}, err: "lacks a brace"},
		"no closing brace":       {secrets: []Secret{{Value: "{env.INBOX_WEBHOOK_SECRET"}}, err: "lacks a brace"},
		"optional, half a file":  {secrets: []Secret{{Value: "{env.HERE}"}, {Value: "{file./run/secrets/inbox", Optional: true}}, err: "secret 2: a placeholder in it lacks a brace"},
		"optional and mistyped":  {secrets: []Secret{{Value: "{env.HERE}"}, {Value: "{envNOT_SET}", Optional: true}}, err: "secret 2: {envNOT_SET} is unknown"},
		"expired beside another": {secrets: []Secret{{Value: "{env.HERE}"}, {Value: "{env.HERE}", Until: &past}}, keys: 1, warning: "ran out"},
		"only expired":           {secrets: []Secret{{Value: "{env.HERE}", Until: &past}}, err: "no secret is active"},
		"not yet expired":        {secrets: []Secret{{Value: "{env.HERE}", Until: &future}}, keys: 1},
	} {
		t.Run(name, func(t *testing.T) {
			keys, warnings, err := resolveSecrets(c.secrets, now)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error is %v, want %q in it", err, c.err)
				}
			} else if err != nil || len(keys) != c.keys {
				t.Fatalf("got %d keys, %v", len(keys), err)
			}
			said := strings.Join(warnings, "\n")
			if c.warning != "" && !strings.Contains(said, c.warning) {
				t.Errorf("warnings are %q, want %q in them", warnings, c.warning)
			}
			if err != nil {
				said += err.Error()
			}
			if c.mustNotAppear != "" && strings.Contains(said, c.mustNotAppear) {
				t.Errorf("%q is in %q", c.mustNotAppear, said)
			}
		})
	}
}
