package verify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// The bodies of the goal in DESIGN.md: at most 1.2 times bare crypto/hmac
// over the same bytes, and no allocation.
var benchSizes = []struct {
	name string
	size int
}{{"270B", 270}, {"16KiB", 16 << 10}}

func BenchmarkVerify(b *testing.B) {
	for _, bb := range benchSizes {
		body := bytes.Repeat([]byte("b"), bb.size)
		value := Sign([]byte(testKey), body)
		one := mustNew(b, Key(testKey))
		two := mustNew(b, Key(otherKey), Key(testKey))
		b.Run(bb.name+"/bare-hmac", func(b *testing.B) { benchBare(b, body, value) })
		b.Run(bb.name+"/bare-hmac-reset", func(b *testing.B) { benchBareReset(b, body, value) })
		b.Run(bb.name+"/one-secret", func(b *testing.B) { benchVerify(b, one, body, value) })
		b.Run(bb.name+"/two-secrets", func(b *testing.B) { benchVerify(b, two, body, value) })
	}
}

func benchVerify(b *testing.B, v *Verifier, body []byte, value string) {
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := v.Verify(body, value); err != nil {
			b.Fatal(err)
		}
	}
}

// benchBare is what an app would write: a new HMAC for each body.
func benchBare(b *testing.B, body []byte, value string) {
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		mac := hmac.New(sha256.New, []byte(testKey))
		mac.Write(body)
		got, err := hex.DecodeString(value[len(prefix):])
		if err != nil || !hmac.Equal(mac.Sum(nil), got) {
			b.Fatal("mismatch")
		}
	}
}

// benchBareReset is the hardest yardstick: one HMAC kept and reset, nothing
// parsed and nothing compared.
func benchBareReset(b *testing.B, body []byte, _ string) {
	mac := hmac.New(sha256.New, []byte(testKey))
	var sum [sha256.Size]byte
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		mac.Reset()
		mac.Write(body)
		mac.Sum(sum[:0])
	}
}
