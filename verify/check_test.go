package verify

import (
	"errors"
	"net/http"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	v := mustNew(t, Key(testKey))
	good, bad := Sign([]byte(testKey), testBody), Sign([]byte(otherKey), testBody)
	for name, c := range map[string]struct {
		header http.Header
		want   error
	}{
		"as net/http has it": {http.Header{Header: {good}}, nil},
		"several values":     {http.Header{Header: {bad, good}}, nil},
		"lower case":         {http.Header{"x-inbox-signature": {good}}, nil},
		"several by hand":    {http.Header{"x-inbox-signature": {bad}, "X-INBOX-SIGNATURE": {good}}, nil},
		"of another secret":  {http.Header{Header: {bad}}, ErrMismatch},
		"under another name": {http.Header{"X-Hub-Signature": {good}}, ErrMissing},
		"under a name alike": {http.Header{"X_Inbox_Signature": {good}}, ErrMissing},
		"no header":          {nil, ErrMissing},
	} {
		if err := v.Check(testBody, c.header); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// New returns nil with its error. Who does not look at that must not let
// everybody in, nor find out by a panic in each request.
func TestNilVerifierRefuses(t *testing.T) {
	t.Parallel()
	v, _ := New()
	if err := v.Check(testBody, http.Header{Header: {Sign(nil, testBody)}}); !errors.Is(err, ErrNoSecret) {
		t.Errorf("got %v", err)
	}
	if err := new(Verifier).Check(testBody, http.Header{Header: {Sign(nil, testBody)}}); !errors.Is(err, ErrMismatch) {
		t.Errorf("the zero one: %v", err)
	}
}

func BenchmarkCheck(b *testing.B) {
	v := mustNew(b, Key(testKey))
	header := http.Header{Header: {Sign([]byte(testKey), testBody)}}
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Check(testBody, header); err != nil {
			b.Fatal(err)
		}
	}
}
