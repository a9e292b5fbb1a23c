package emulator

import (
	"net/http"
	"slices"
	"strings"

	"github.com/inboxgate/inboxgate/verify"
)

const (
	twinOverlap = "overlap" // sent again while the first attempt runs
	twinAfter   = "after"   // sent again after it succeeded

	wireSlow = "slow"
	wireCut  = "cut"
)

// fault is what is wrong with a delivery. It is stored with it.
type fault struct {
	// Twin is twinOverlap or twinAfter for an event that is sent once more.
	Twin string `json:"twin,omitzero"`
	// Reorder marks an event that later ones passed, Unknown one of a type that the
	// platform does not document.
	Reorder bool `json:"reorder,omitzero"`
	Unknown bool `json:"unknown,omitzero"`
	// Odd is one of OddKinds.
	Odd string `json:"odd,omitzero"`
	// Wire is wireSlow or wireCut, and Drip how long a slow body takes.
	Wire string   `json:"wire,omitzero"`
	Drip duration `json:"drip_ns,omitzero"`
	// Signature is one of badSignatures; Stranger signs with a wrong secret. Each
	// makes a forgery.
	Signature string `json:"-"`
	Stranger  bool   `json:"-"`
}

// forged reports whether the request is a forgery.
func (f fault) forged() bool { return f.Signature != "" || f.Stranger }

// names returns the faults as Sent has them, in one order.
func (f fault) names() (names []string) {
	for _, n := range []struct {
		has  bool
		name string
	}{
		{f.Signature != "", "bad_signature:" + f.Signature},
		{f.Stranger, "wrong_secret"},
		{f.Odd != "", "odd:" + f.Odd},
		{f.Unknown, "unknown_type"},
		{f.Twin != "", "duplicate:" + f.Twin},
		{f.Reorder, "reorder"},
		{f.Wire != "", f.Wire},
	} {
		if n.has {
			names = append(names, n.name)
		}
	}
	return names
}

// badSignatures are the ways to sign badly.
var badSignatures = []string{"missing", "empty", "flipped", "truncated", "prefix_only", "not_hex", "other_body"}

// forge sets a signature that no receiver may take.
func (f fault) forge(h http.Header, webhook, secret string, body []byte) {
	if f.Stranger {
		h.Set(verify.Header, verify.Sign([]byte("another secret than that of "+webhook), body))
		return
	}
	good := verify.Sign([]byte(secret), body)
	prefix := good[:strings.Index(good, "=")+1]
	switch f.Signature {
	case "missing":
	case "empty":
		h.Set(verify.Header, "")
	case "flipped":
		last := "0"
		if strings.HasSuffix(good, last) {
			last = "1"
		}
		h.Set(verify.Header, good[:len(good)-1]+last)
	case "truncated":
		h.Set(verify.Header, good[:len(good)/2])
	case "prefix_only":
		h.Set(verify.Header, prefix)
	case "not_hex":
		h.Set(verify.Header, prefix+strings.Repeat("z", len(good)-len(prefix)))
	case "other_body":
		h.Set(verify.Header, verify.Sign([]byte(secret), slices.Concat(body, []byte(" "))))
	}
}
