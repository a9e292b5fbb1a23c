package verify

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEnvSecrets(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(testKey+"\n"+otherKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		value, file string
		labels      []string
		is          error
		says        string
	}{
		"value":        {value: testKey, labels: []string{EnvSecret}},
		"two":          {value: testKey + "," + otherKey, labels: []string{EnvSecret + "/1", EnvSecret + "/2", EnvSecret + WholeLine}},
		"file":         {file: file, labels: []string{EnvSecretFile + "/1", EnvSecretFile + "/2"}},
		"neither":      {is: ErrNoSecret, says: "set INBOX_WEBHOOK_SECRET"},
		"blank":        {value: "  ", is: ErrNoSecret, says: "set INBOX_WEBHOOK_SECRET"},
		"empty file":   {file: empty, is: ErrNoSecret, says: "set INBOX_WEBHOOK_SECRET"},
		"both":         {value: testKey, file: file, says: "unset one"},
		"filler":       {value: "changemechangeme", says: EnvSecret + ": it is a filler"},
		"missing file": {file: file + ".not", is: fs.ErrNotExist, says: "reading INBOX_WEBHOOK_SECRET_FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secrets, warnings, err := EnvSecrets(func(name string) string {
				return map[string]string{EnvSecret: c.value, EnvSecretFile: c.file}[name]
			})
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
					t.Fatalf("error is %v, want %q in it", err, c.says)
				}
				return
			}
			var labels []string
			for _, s := range secrets {
				labels = append(labels, s.Label)
			}
			if err != nil || len(warnings) > 0 || !slices.Equal(labels, c.labels) {
				t.Errorf("got %q, %q, %v", labels, warnings, err)
			}
		})
	}
}

func TestFromEnv(t *testing.T) {
	t.Setenv(EnvSecretFile, "")
	t.Setenv(EnvSecret, otherKey+","+testKey)
	v, err := FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	if m, err := v.Verify(testBody, Sign([]byte(testKey), testBody)); err != nil || m.Index != 1 {
		t.Errorf("got %+v, %v", m, err)
	}
	t.Setenv(EnvSecret, "short")
	if _, err := FromEnv(); !errors.Is(err, ErrShortSecret) || !strings.Contains(err.Error(), EnvSecret) || strings.Contains(err.Error(), `"short"`) {
		t.Errorf("a short secret: %v", err)
	}
	t.Setenv(EnvSecret, "")
	if v, err := FromEnv(); v != nil || !errors.Is(err, ErrNoSecret) {
		t.Errorf("no secret: %v", err)
	}
}
