package caddymodule

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"pgregory.net/rapid"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/secrets"
	"github.com/inboxgate/inboxgate/verify"
)

// What stands for a secret and is none, wherever it is written.
func TestPlaceholdersAreNoSecrets(t *testing.T) {
	t.Setenv("my_own_variable_of_this_test", "x")
	for _, value := range []string{
		"$INBOX_WEBHOOK_SECRET", "${INBOX_WEBHOOK_SECRET}", "$(cat /run/secrets/inbox)", "%INBOX_WEBHOOK_SECRET%", "$env:INBOX_SECRET_VALUE",
		"INBOX_WEBHOOK_SECRET", "INBOX_WEBHOOK_SECRET_FILE", "WEBHOOK_SIGNING_SECRET", "MY_APP_SECRET_KEY_2", "my_own_variable_of_this_test",
		"INBOX_WEBHOOK_SECRET=a-secret-0123456789", "export INBOX_WEBHOOK_SECRET=a-secret-0123456789", "process.env.INBOX_WEBHOOK_SECRET",
		"{{ .Values.webhookSecret }}", "<your-webhook-secret>", "[your webhook secret]", "vault:secret/data/inbox#key", "op://vault/inbox/secret",
		"arn:aws:secretsmanager:eu-central-1:1:secret:inbox", "/run/secrets/inbox_webhook_secret", "file:///run/secrets/inbox",
		"changemechangeme", "change-me-change-me", "ChangeMe!ChangeMe!", "your-webhook-secret", "YourWebhookSecretHere", "secretsecretsecret", "secret1234567890",
		"supersecretpassword", "password12345678", "passwordpassword1", "webhook-secret-here", "xxxxxxxxxxxxxxxx", "XXXXXXXXXXXXXXXXXXXXXXXXXX",
		"0000000000000000", "1234567890123456", "****************", "whsec_xxxxxxxxxxxxxxxx", "whsec_your_secret_here", "placeholder-secret-value",
		"a-secret-of-16-bytes-or-more", "the webhook secret, 16 bytes or more", "replace-with-your-secret", "my-webhook-signing-secret", "testtesttesttest",
	} {
		if _, _, err := verify.ParseSecrets("secret", value); err == nil {
			t.Errorf("%q is taken", value)
		} else if strings.Contains(err.Error(), value) {
			t.Errorf("%q is in its error", value)
		}
		if _, err := env.CheckToken("token", value); err == nil {
			t.Errorf("%q is taken as a token", value)
		}
	}
}

// randomSecrets are written as generators of secrets write them.
func randomSecrets() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		raw := rapid.SliceOfN(rapid.Byte(), 16, 48).Draw(t, "raw")
		// Draws of few and small values are not random bytes.
		for i := range raw {
			raw[i] ^= byte(rapid.Uint64().Draw(t, "more")*0x9e3779b97f4a7c15>>56) ^ byte(i*151+73)
		}
		text := rapid.SampledFrom([]func([]byte) string{
			hex.EncodeToString, base64.StdEncoding.EncodeToString, base64.RawURLEncoding.EncodeToString, base32.StdEncoding.EncodeToString,
			func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
		}).Draw(t, "encoding")(raw)
		return rapid.SampledFrom([]string{"", "whsec_", "WHSEC_", "sk_live_"}).Draw(t, "prefix") + text
	})
}

func TestRandomSecretsAreTaken(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := randomSecrets().Draw(t, "secret")
		values, odd, err := verify.ParseSecrets("secret", secret)
		if err != nil || len(odd) > 0 || len(values) != 1 || string(values[0].Key) != secret {
			t.Fatalf("%q: %q, %q, %v", secret, env.Texts(values), odd, err)
		}
		if got, err := env.CheckToken("token", secret); err != nil || got != secret {
			t.Fatalf("as a token: %q, %v", got, err)
		}
	})
}

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

// A secret file as a person might write it, whatever editor or shell it was:
// either what the secret signed verifies, or the file is refused, or a warning
// says what looks odd.
func TestSecretFilesThatPeopleWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	rapid.Check(t, func(t *rapid.T) {
		one := randomSecrets().Draw(t, "one")
		if rapid.Bool().Draw(t, "with a comma") {
			one = one[:len(one)/2] + "," + one[len(one)/2:]
		}
		lines := []string{one}
		if rapid.Bool().Draw(t, "two") {
			lines = append(lines, randomSecrets().Draw(t, "other"))
		}
		blank := rapid.SampledFrom([]string{"", "", " ", "\t", "\u00a0", "  "})
		text := rapid.SampledFrom([]string{"", "", "\n", "# the secret\n", "\ufeff", "\ufeff\ufeff"}).Draw(t, "before")
		end := rapid.SampledFrom([]string{"\n", "\r\n", "\r", "\n\n", " \r\n \r\n"}).Draw(t, "end of line")
		if len(lines) == 2 && rapid.Bool().Draw(t, "on one line") {
			lines = []string{strings.Join(lines, rapid.SampledFrom([]string{",", ", ", " ", ";"}).Draw(t, "between"))}
		}
		for i, line := range lines {
			form := rapid.SampledFrom([]string{"", "", "", `"`, "'", "name", "export", "yaml", "split"}).Draw(t, "form")
			switch form {
			case `"`, "'":
				line = form + line + form
			case "name":
				line = "INBOX_WEBHOOK_SECRET=" + line
			case "export":
				line = "export SIGNING_SECRET = " + line
			case "yaml":
				line = "secret: " + line
			case "split":
				line = line[:8] + " " + line[8:]
			}
			text += blank.Draw(t, "left") + line + blank.Draw(t, "right")
			if i < len(lines)-1 || rapid.Bool().Draw(t, "ends") {
				text += end
			}
		}
		raw := rapid.SampledFrom([]func() []byte{
			func() []byte { return []byte(text) }, func() []byte { return []byte(text) },
			func() []byte { return utf16Of(text, binary.LittleEndian, true) }, func() []byte { return utf16Of(text, binary.BigEndian, true) },
			func() []byte { return utf16Of(text, binary.LittleEndian, false) }, func() []byte { return utf16Of(text, binary.BigEndian, false) },
			func() []byte { return append([]byte(text), 0) },
		}).Draw(t, "encoding")()
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		keys, warnings, err := resolveSecrets([]Secret{{Value: "{file." + path + "}"}}, time.Now())
		if err != nil || len(warnings) > 0 {
			return
		}
		v, err := verify.New(keys...)
		if err != nil {
			return
		}
		if _, err := v.Verify([]byte("body"), verify.Sign([]byte(one), []byte("body"))); err != nil {
			t.Fatalf("%q holds %q: neither taken nor told: %v", raw, one, err)
		}
	})
}

// The same text means the same in a file, in the variable, and behind either
// placeholder.
func TestOneNormalisation(t *testing.T) {
	const a, b = "5d41402abc4b2a76b9719d911017c592", "7d793037a0760186574b0282f2f435e7"
	path := filepath.Join(t.TempDir(), "secret")
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"one": {a, 1}, "blanks": {" " + a + "\t\n", 1}, "mark": {"\ufeff" + a + "\r\n", 1}, "two": {a + " \r\n " + b + "\r\n\r\n", 2},
		"comma": {a + "," + b, 3}, "comma and line": {a + "," + b + "\n" + a, 4}, "marks inside": {a + "\n" + "\ufeff" + b, 2},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("HELD", c.text)
		for _, way := range []struct {
			variable, file string
			secrets        []Secret
		}{
			{variable: c.text},
			{file: path},
			{secrets: []Secret{{Value: "{env.HELD}"}}},
			{secrets: []Secret{{Value: "{file." + path + "}"}}},
		} {
			t.Setenv(env.Secret, way.variable)
			t.Setenv(env.SecretFile, way.file)
			keys, warnings, err := resolveSecrets(way.secrets, time.Now())
			if err != nil || len(keys) != c.want || len(warnings) > 0 || !bytes.Equal(keys[0].Key, []byte(a)) {
				t.Errorf("%s by %+v: %d keys, %q, %v", name, way, len(keys), warnings, err)
			}
		}
	}
}

// A secret keeps its fingerprint wherever it stands, and one that stands twice
// is one.
func TestFingerprintStays(t *testing.T) {
	t.Parallel()
	const a, b = "5d41402abc4b2a76b9719d911017c592", "7d793037a0760186574b0282f2f435e7"
	labels := func(keys ...string) map[string]bool {
		c, err := secrets.NewSet(secretsOf(keys), nil)
		if err != nil {
			t.Fatal(err)
		}
		all := make(map[string]bool)
		c.Each(func(label string, ok bool) {
			if _, twice := all[label]; twice {
				t.Errorf("%s is told twice", label)
			}
			all[label] = ok
		})
		return all
	}
	if got := labels(a, b, a); len(got) != 2 || !got[secrets.Fingerprint([]byte(a))] || !got[secrets.Fingerprint([]byte(b))] {
		t.Errorf("got %v", got)
	}
	if got := secrets.Fingerprint([]byte(a)); got != "ad23cb1a" {
		t.Errorf("the fingerprint is %s: a new version must not rename secrets", got)
	}
	if strings.Contains(a, secrets.Fingerprint([]byte(a))) {
		t.Error("a piece of the secret")
	}
}

func secretsOf(values []string) []verify.Secret {
	keys := make([]verify.Secret, len(values))
	for i, v := range values {
		keys[i] = verify.Key(v)
	}
	return keys
}
