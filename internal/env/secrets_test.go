package env

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

func utf16Of(text string, order binary.AppendByteOrder, mark bool) []byte {
	var b []byte
	if mark {
		b = order.AppendUint16(b, 0xfeff)
	}
	for _, u := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, u)
	}
	return b
}

// A token is read as a secret is, from a file with whatever editors add.
func TestTokensAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	const token = "5d41402abc4b2a76b9719d911017c592"
	for text, ok := range map[string]bool{
		token: true, "\ufeff" + token + "\r\n": true, " " + token + " ": true, token + "\n\n": true,
		`"` + token + `"`: false, "INBOX_ADMIN_TOKEN=" + token: false, token + "\n" + token: false, token + " " + token: false,
		string(utf16Of(token, binary.LittleEndian, true)): false, string(utf16Of(token, binary.BigEndian, false)): false,
	} {
		if got, err := CheckToken("token", text); (err == nil) != ok || ok && got != token {
			t.Errorf("%q: %q, %v", text, got, err)
		} else if err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("the token is in %v", err)
		}
		if got, err := oneToken(text); (err == nil) != ok || ok && got != token {
			t.Errorf("%q as a key: %q, %v", text, got, err)
		}
	}
}

func TestEnvSecrets(t *testing.T) {
	long := "9f86d081884c7d65"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(long+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		value, file string
		want        int
		err         string
	}{
		"value":        {value: long, want: 1},
		"two":          {value: long + "," + long + "2", want: 3}, // And the whole.
		"file":         {file: file, want: 1},
		"neither":      {err: "set INBOX_WEBHOOK_SECRET"},
		"blank":        {value: "  ", err: "set INBOX_WEBHOOK_SECRET"},
		"both":         {value: long, file: file, err: "unset one"},
		"missing file": {file: file + ".not", err: "reading INBOX_WEBHOOK_SECRET_FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(Secret, c.value)
			t.Setenv(SecretFile, c.file)
			got, err := ReadSecrets()
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error is %v, want %q in it", err, c.err)
				}
				return
			}
			if err != nil || len(got) != c.want {
				t.Errorf("got %d secrets, %v", len(got), err)
			}
		})
	}
}
