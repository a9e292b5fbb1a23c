package verify

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// TestPublishedVectors holds us to RFC 4231, section 4, for HMAC-SHA-256.
// Case 5 is left out: it is about a truncated output, which we never accept.
func TestPublishedVectors(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("aa", 131)
	tests := []struct {
		name, key, data, want string // hex
	}{
		{
			"case 1", strings.Repeat("0b", 20), hex.EncodeToString([]byte("Hi There")),
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
		},
		{
			"case 2", hex.EncodeToString([]byte("Jefe")), hex.EncodeToString([]byte("what do ya want for nothing?")),
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		},
		{
			"case 3", strings.Repeat("aa", 20), strings.Repeat("dd", 50),
			"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
		},
		{
			"case 4", "0102030405060708090a0b0c0d0e0f10111213141516171819", strings.Repeat("cd", 50),
			"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
		},
		{
			"case 6", long, hex.EncodeToString([]byte("Test Using Larger Than Block-Size Key - Hash Key First")),
			"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
		},
		{
			"case 7", long, hex.EncodeToString([]byte("This is a test using a larger than block-size key and a larger than " +
				"block-size data. The key needs to be hashed before being used by the HMAC algorithm.")),
			"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, data := unhex(t, tt.key), unhex(t, tt.data)
			if got := Sign(key, data); got != prefix+tt.want {
				t.Fatalf("Sign: got %s, want %s", got, tt.want)
			}
			// Case 1's key is 20 vertical tabs, which are white space; case 2's
			// has 4 bytes.
			if len(key) < MinSecret || len(bytes.TrimSpace(key)) == 0 {
				return
			}
			// Twice, since a reused state must give the same as a new one.
			v := mustNew(t, Secret{Key: key})
			for range 2 {
				if _, err := v.Verify(data, tt.want); err != nil {
					t.Fatalf("Verify: %v", err)
				}
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
