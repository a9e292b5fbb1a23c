package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := Key(testKey)
	tests := []struct {
		name    string
		secrets []Secret
		want    error
		says    string
	}{
		{"none", nil, ErrNoSecret, "give at least one"},
		{"nil key", []Secret{{}}, ErrEmptySecret, "set the variable"},
		{"empty", []Secret{Key("")}, ErrEmptySecret, "set the variable"},
		{"empty second", []Secret{good, Key("")}, ErrEmptySecret, "secret 2:"},
		{"spaces", []Secret{Key(strings.Repeat(" ", 32))}, ErrBlankSecret, "only white space"},
		{"tabs and newlines", []Secret{Key("\t\r\n\u00a0\u2003")}, ErrBlankSecret, "only white space"},
		{"15 bytes", []Secret{Key(testKey[:15])}, ErrShortSecret, "16 bytes"},
		{"labelled", []Secret{good, {Key: []byte("hunter2"), Label: "old"}}, ErrShortSecret, `secret 2 ("old"):`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, err := New(tt.secrets...)
			if v != nil || !errors.Is(err, tt.want) {
				t.Fatalf("got %v, %v; want %v", v, err, tt.want)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%q does not say %q", err, tt.says)
			}
			for _, s := range tt.secrets {
				if key := string(s.Key); strings.TrimSpace(key) != "" && strings.Contains(err.Error(), key) {
					t.Errorf("%q holds the secret", err)
				}
			}
		})
	}
	if _, err := New(Key(testKey[:16])); err != nil {
		t.Errorf("16 bytes: %v", err)
	}
}

func TestNewKeepsItsOwnCopy(t *testing.T) {
	t.Parallel()
	key := []byte(testKey)
	v := mustNew(t, Secret{Key: key})
	clear(key)
	if _, err := v.Verify(testBody, Sign([]byte(testKey), testBody)); err != nil {
		t.Errorf("after the caller cleared its key: %v", err)
	}
}

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	s := Secret{Key: []byte(testKey), Label: "new"}
	v := mustNew(t, s)
	if _, err := v.Verify(testBody, Sign([]byte(testKey), testBody)); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+" "+verb+"\n", s, &s, []Secret{s}, v)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("made", "secret", s, "pointer", &s, "all", []Secret{s}, "verifier", v)
	}
	js, err := json.Marshal([]any{s, &s, v})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(js)
	for _, leak := range []string{testKey, fmt.Sprintf("%x", testKey), fmt.Sprintf("%X", testKey), fmt.Sprint([]byte(testKey)), "d2hzZWN"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("the secret was printed as %q in:\n%s", leak, out.String())
		}
	}
	if !strings.Contains(out.String(), "secret(new)") {
		t.Error("the label is missing")
	}
}
