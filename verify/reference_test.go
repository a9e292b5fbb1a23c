package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var signature = regexp.MustCompile(`^([sS][hH][aA]256=)?[0-9A-Fa-f]{64}$`)

// reference is Verify for one secret, written for the eye alone.
func reference(secret string, body []byte, values []string) error {
	var sent, wellFormed []string
	for _, token := range strings.Split(strings.Join(values, ","), ",") {
		if token = strings.Trim(token, " \t"); token != "" {
			sent = append(sent, token)
		}
	}
	for _, token := range sent {
		if signature.MatchString(token) {
			wellFormed = append(wellFormed, token[len(token)-64:])
		}
	}
	switch {
	case len(sent) == 0:
		return ErrMissing
	case len(sent) > 8, len(wellFormed) == 0:
		return ErrMalformed
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	want := hex.EncodeToString(mac.Sum(nil))
	for _, digits := range wellFormed {
		if strings.ToLower(digits) == want {
			return nil
		}
	}
	return ErrMismatch
}

func TestVerifyAgreesWithReference(t *testing.T) {
	t.Parallel()
	v := mustNew(t, Key(testKey))
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		good := Sign([]byte(testKey), body)
		token := rapid.OneOf(
			rapid.Just(good),
			rapid.Just(strings.TrimPrefix(good, prefix)),
			rapid.Just(strings.ToUpper(good)),
			rapid.Just(prefix+strings.ToUpper(good[len(prefix):])),
			rapid.Just("SHA256="+good[len(prefix):]),
			rapid.Just(Sign([]byte(otherKey), body)),
			rapid.StringMatching(`(sha256=){0,2}[0-9a-fA-F]{62,66}`),
			rapid.StringMatching(`[ \t]{0,2}`),
			rapid.String(),
		)
		blank := rapid.SampledFrom([]string{"", " ", "\t", "  "})
		list := rapid.Custom(func(t *rapid.T) string {
			var parts []string
			for _, s := range rapid.SliceOfN(token, 0, 4).Draw(t, "tokens") {
				parts = append(parts, blank.Draw(t, "before")+s+blank.Draw(t, "after"))
			}
			return strings.Join(parts, ",")
		})
		values := rapid.SliceOfN(list, 0, 4).Draw(t, "values")

		_, err := v.Verify(body, values...)
		if want := reference(testKey, body, values); !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	})
}

func FuzzVerify(f *testing.F) {
	good := Sign([]byte(testKey), testBody)
	for _, s := range []string{
		"", ",", " ", good, good[len(prefix):], strings.ToUpper(good), prefix, prefix + good, good + "0", good[:40],
		good + "," + good, "x," + good, strings.Repeat(good+",", 9), "\u0660\uff10", "sha256=" + strings.Repeat("0", 64), good + "\x00",
	} {
		f.Add(testBody, s, good)
		f.Add(testBody, s, "")
		f.Add([]byte{0xff, 0}, "", s)
	}
	v := mustNew(f, Key(testKey))
	f.Fuzz(func(t *testing.T, body []byte, first, second string) {
		_, err := v.Verify(body, first, second)
		if want := reference(testKey, body, []string{first, second}); !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	})
}

func FuzzSignRoundTrip(f *testing.F) {
	f.Add([]byte(testKey), testBody)
	f.Add([]byte(testKey), []byte(nil))
	f.Add([]byte(strings.Repeat("\x00", 16)), []byte("\x00"))
	f.Add([]byte(strings.Repeat("k", 200)), []byte(strings.Repeat("b", 300)))
	f.Add([]byte("short"), testBody)
	f.Fuzz(func(t *testing.T, key, body []byte) {
		signed := Sign(key, body)
		if !signature.MatchString(signed) || !strings.HasPrefix(signed, prefix) {
			t.Fatalf("Sign gave %q", signed)
		}
		v, err := New(Secret{Key: key})
		if err != nil {
			if len(key) >= MinSecret && !errors.Is(err, ErrBlankSecret) {
				t.Fatalf("a key of %d bytes: %v", len(key), err)
			}
			return
		}
		if _, err := v.Verify(body, signed); err != nil {
			t.Fatalf("own signature: %v", err)
		}
		if _, err := v.Verify(append(body[:len(body):len(body)], 0), signed); !errors.Is(err, ErrMismatch) {
			t.Fatalf("one byte more: %v", err)
		}
	})
}
