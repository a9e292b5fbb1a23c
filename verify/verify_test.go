package verify

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	testKey  = "whsec_0123456789abcdef"
	otherKey = "whsec_fedcba9876543210"
)

var testBody = []byte(`{"id":"evt_1","type":"message.read"}`)

func mustNew(tb testing.TB, secrets ...Secret) *Verifier {
	tb.Helper()
	v, err := New(secrets...)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func TestVerifyTable(t *testing.T) {
	t.Parallel()
	good := Sign([]byte(testKey), testBody)
	digits := strings.TrimPrefix(good, prefix)
	wrong := Sign([]byte(otherKey), testBody)
	many := func(n int, s string) string { return strings.Repeat(s+",", n-1) + s }
	tests := []struct {
		name   string
		values []string
		want   error
	}{
		{"as the platform signs", []string{good}, nil},
		{"bare hex", []string{digits}, nil},
		{"upper-case hex", []string{prefix + strings.ToUpper(digits)}, nil},
		{"upper-case prefix", []string{"SHA256=" + digits}, nil},
		{"mixed-case prefix", []string{"Sha256=" + strings.ToUpper(digits)}, nil},
		{"blanks around", []string{" \t" + good + "\t "}, nil},
		{"comma list, last valid", []string{wrong + ", " + good}, nil},
		{"comma list, first valid", []string{good + "," + wrong}, nil},
		{"two header lines, second valid", []string{wrong, good}, nil},
		{"two header lines, first valid", []string{good, wrong}, nil},
		{"valid beside malformed", []string{"v1=abc, " + good, "zz"}, nil},
		{"empty elements are skipped", []string{",, ,", "," + good + ",,,,,,,,,,"}, nil},
		{"list of 8, last valid", []string{many(7, wrong) + "," + good}, nil},
		{"8 over several lines", []string{many(4, wrong), many(3, wrong), good}, nil},

		{"no header", nil, ErrMissing},
		{"empty", []string{""}, ErrMissing},
		{"several empty", []string{"", " ", ",\t,", ","}, ErrMissing},

		{"list of 9, first valid", []string{good + "," + many(8, wrong)}, ErrMalformed},
		{"9 over several lines", []string{good, many(4, wrong), many(4, wrong)}, ErrMalformed},
		{"9 malformed", []string{many(9, "x")}, ErrMalformed},
		{"prefix only", []string{prefix}, ErrMalformed},
		{"truncated to half", []string{good[:len(prefix)+32]}, ErrMalformed},
		{"one digit", []string{prefix + digits[:1]}, ErrMalformed},
		{"63 digits", []string{prefix + digits[:63]}, ErrMalformed},
		{"65 digits", []string{good + "0"}, ErrMalformed},
		{"64 digits and rubbish", []string{good + "zz"}, ErrMalformed},
		{"128 digits", []string{digits + digits}, ErrMalformed},
		{"not hex", []string{prefix + digits[:63] + "g"}, ErrMalformed},
		{"double prefix", []string{prefix + good}, ErrMalformed},
		{"prefix at the end", []string{digits + prefix}, ErrMalformed},
		{"double prefix, other case", []string{"SHA256=" + good}, ErrMalformed},
		{"upper-case prefix only", []string{"SHA256="}, ErrMalformed},
		{"prefix with a long s", []string{"\u017fha256=" + digits}, ErrMalformed},
		{"prefix without its sign", []string{"sha256" + digits}, ErrMalformed},
		{"prefix with a colon", []string{"sha256:" + digits}, ErrMalformed},
		{"prefix with a dash", []string{"sha-256=" + digits}, ErrMalformed},
		{"time and version", []string{"t=1,v1=" + digits}, ErrMalformed},
		{"other prefix", []string{"sha1=" + digits}, ErrMalformed},
		{"blank inside", []string{prefix + digits[:32] + " " + digits[32:]}, ErrMalformed},
		{"blank after the prefix", []string{prefix + " " + digits}, ErrMalformed},
		{"newline at the end", []string{good + "\n"}, ErrMalformed},
		{"no-break space", []string{"\u00a0" + good}, ErrMalformed},
		{"zero byte", []string{good + "\x00"}, ErrMalformed},
		{"full-width digits", []string{strings.Repeat("\uff10", 64)}, ErrMalformed},
		{"arabic digits of 64 bytes", []string{strings.Repeat("\u0660", 32)}, ErrMalformed},
		{"quoted", []string{`"` + good + `"`}, ErrMalformed},
		{"semicolon list", []string{good + ";" + good}, ErrMalformed},
		{"0x before", []string{"0x" + digits[2:]}, ErrMalformed},
		{"base64", []string{"NkuVZDbIhfXVqQz9Hk2r6y0n4oEJcLw1mTgUa8xBvFY="}, ErrMalformed},

		{"other secret", []string{wrong}, ErrMismatch},
		{"empty secret", []string{Sign(nil, testBody)}, ErrMismatch},
		{"other body", []string{Sign([]byte(testKey), append([]byte(" "), testBody...))}, ErrMismatch},
		{"first digit changed", []string{prefix + flip(digits, 0)}, ErrMismatch},
		{"last digit changed", []string{prefix + flip(digits, 63)}, ErrMismatch},
		{"all zeros", []string{strings.Repeat("0", 64)}, ErrMismatch},
		{"mismatch beside malformed", []string{"zz", wrong}, ErrMismatch},
	}
	v := mustNew(t, Key(testKey))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := v.Verify(testBody, tt.values...); !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// flip changes one hex digit into another.
func flip(digits string, at int) string {
	c := byte('0')
	if digits[at] == c {
		c = '1'
	}
	return digits[:at] + string(c) + digits[at+1:]
}

func TestEveryBitCounts(t *testing.T) {
	t.Parallel()
	v := mustNew(t, Key(testKey))
	digits := strings.TrimPrefix(Sign([]byte(testKey), testBody), prefix)
	for i := range digits {
		if _, err := v.Verify(testBody, flip(digits, i)); !errors.Is(err, ErrMismatch) {
			t.Fatalf("digit %d changed: got %v", i, err)
		}
	}
	signature := prefix + digits
	for i := range testBody {
		body := append([]byte(nil), testBody...)
		body[i] ^= 1
		if _, err := v.Verify(body, signature); !errors.Is(err, ErrMismatch) {
			t.Fatalf("byte %d changed: got %v", i, err)
		}
	}
}

func TestMatchNamesTheSecret(t *testing.T) {
	t.Parallel()
	v := mustNew(t,
		Secret{Key: []byte(testKey), Label: "new"},
		Secret{Key: []byte(otherKey), Label: "old"},
		Secret{Key: []byte(testKey), Label: "the first again"},
	)
	for key, want := range map[string]Match{
		testKey:  {Index: 0, Label: "new"},
		otherKey: {Index: 1, Label: "old"},
	} {
		got, err := v.Verify(testBody, Sign([]byte(key), testBody))
		if err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	// Both are sent while the platform itself changes over.
	both := Sign([]byte(otherKey), testBody) + "," + Sign([]byte(testKey), testBody)
	if got, err := v.Verify(testBody, both); err != nil || got.Index != 0 {
		t.Errorf("both signatures: got %+v, %v; want the first secret", got, err)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	all := mustNew(t,
		Secret{Key: []byte(testKey), NotAfter: end, Label: "old"},
		Secret{Key: []byte(otherKey)},
	)
	old := Sign([]byte(testKey), testBody)

	before := all.WithClock(func() time.Time { return end.Add(-1) })
	if m, err := before.Verify(testBody, old); err != nil || m.Label != "old" {
		t.Errorf("before its end: got %+v, %v", m, err)
	}
	if n, e := before.Active(), before.Expired(); n != 2 || e != nil {
		t.Errorf("before its end: %d active, expired %v", n, e)
	}

	after := all.WithClock(func() time.Time { return end })
	if _, err := after.Verify(testBody, old); !errors.Is(err, ErrMismatch) {
		t.Errorf("at its end: got %v, want a mismatch", err)
	}
	if m, err := after.Verify(testBody, Sign([]byte(otherKey), testBody)); err != nil || m.Index != 1 {
		t.Errorf("the other secret: got %+v, %v", m, err)
	}
	if n, e := after.Active(), after.Expired(); n != 1 || len(e) != 1 || e[0] != (Match{Index: 0, Label: "old"}) {
		t.Errorf("at its end: %d active, expired %v", n, e)
	}

	none := mustNew(t, Secret{Key: []byte(testKey), NotAfter: end}).WithClock(func() time.Time { return end.Add(time.Hour) })
	if _, err := none.Verify(testBody, old); !errors.Is(err, ErrMismatch) {
		t.Errorf("all expired: got %v, want a mismatch", err)
	}
	if n := none.Active(); n != 0 {
		t.Errorf("all expired: %d active", n)
	}
}

func TestVerifyConcurrently(t *testing.T) {
	t.Parallel()
	v := mustNew(t, Key(otherKey), Key(testKey))
	done := make(chan error)
	for g := range 8 {
		go func() {
			for i := range 200 {
				body := fmt.Appendf(nil, "%d/%d", g, i)
				if _, err := v.Verify(body, Sign([]byte(testKey), body)); err != nil {
					done <- err
					return
				}
				if _, err := v.Verify(body, Sign([]byte(testKey), testBody)); !errors.Is(err, ErrMismatch) {
					done <- fmt.Errorf("another body's signature: %w", err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestVerifyAllocatesNothing(t *testing.T) {
	// Not parallel: AllocsPerRun counts the whole process.
	v := mustNew(t, Key(testKey), Key(otherKey))
	body := make([]byte, 16<<10)
	values := []string{Sign([]byte("x"), body), Sign([]byte(otherKey), body)}
	check := func() {
		if _, err := v.Verify(body, values...); err != nil {
			t.Fatal(err)
		}
	}
	check()
	if raceEnabled {
		t.Skip("the race detector empties pools at random")
	}
	if n := testing.AllocsPerRun(100, check); n != 0 {
		t.Errorf("%v allocations a call, want none", n)
	}
}
