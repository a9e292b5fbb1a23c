// Package via marks what an event has come through, so that a loop of deliveries is
// found, over however many instances it leads.
//
// Guarantee: what Add has put on an attempt is recognized by CameBack when the same
// source of the same store gets that request, as long as no more than MaxMarks others
// lie between.
//
// Limits: the signature does not cover the header. A stranger's mark can make only
// the stranger's own request fail. An app in between that makes a new request without
// the header hides the loop.
package via

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// Header names the sources that an event has come through, each by its mark, as `Via`
// names proxies. It is stored with the event and goes to the app.
const Header = "X-Inbox-Via"

// MaxMarks is how many marks are kept of a chain, the newest.
const MaxMarks = 16

// Reason is what a webhook gives as the reason for refusing its own delivery.
const Reason = "a delivery came back to the webhook that it came from"

const markBytes = 8

// Mark returns the mark of a source, the same in every process that shares the store
// of that identity. It is empty, and marks nothing, for a store without one.
func Mark(identity, source string) string {
	if identity == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(identity + "\x00" + source))
	return hex.EncodeToString(sum[:markBytes])
}

// Kept returns the well-formed marks of a request as one value of its header, nil if
// there are none. Anything else that a client may have sent goes no further.
func Kept(values []string) []string {
	var all []string
	for _, v := range values {
		for m := range strings.SplitSeq(v, ",") {
			m = strings.TrimSpace(m)
			if raw, err := hex.DecodeString(m); err == nil && len(raw) == markBytes {
				all = append(all, m)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return []string{strings.Join(all[max(0, len(all)-MaxMarks):], ", ")}
}

// Add puts a mark behind those that an event came with.
func Add(h http.Header, mark string) {
	if mark == "" {
		return
	}
	h[Header] = Kept(append(slices.Clip(h[Header]), mark))
}

// CameBack reports whether a request with those values of the header has been through
// the source of that mark.
func CameBack(values []string, mark string) bool {
	return mark != "" && slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, mark) })
}
