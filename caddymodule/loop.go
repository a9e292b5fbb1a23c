package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// viaHeader names the sources that an event has come through, each by its mark, as
// `Via` does the proxies. It is stored with the event and goes to the app, so that a
// loop is found over however many instances it leads. The signature does not cover
// it: a stranger's mark can only make the stranger's own request fail.
const viaHeader = "X-Inbox-Via"

const (
	markBytes = 8
	// maxMarks bounds how many are kept of a chain, the newest.
	maxMarks = 16
)

var (
	errOwnListener = errors.New("the address leads back to inboxgate's own listener, or to another that sends here: name the app's own address")
	errCameBack    = refusal{http.StatusLoopDetected, "a delivery came back to the webhook that it came from"}
)

// markOf names a source of a store, to every process that shares the store.
func markOf(store spool.Store, source string) string {
	n, ok := store.(spool.Named)
	if !ok {
		return ""
	}
	sum := sha256.Sum256([]byte(n.Identity() + "\x00" + source))
	return hex.EncodeToString(sum[:markBytes])
}

// marks are the well-formed ones of a request, as one header value. Anything else a
// client may have sent goes no further.
func marks(values []string) []string {
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
	return []string{strings.Join(all[max(0, len(all)-maxMarks):], ", ")}
}

// addMark puts a mark behind those that an event came with.
func addMark(h http.Header, mark string) {
	if mark == "" {
		return
	}
	h[viaHeader] = marks(append(slices.Clip(h[viaHeader]), mark))
}

// cameBack says that an event has been here before, on its way from route to route.
func cameBack(values []string, mark string) bool {
	return mark != "" && len(values) > 0 && slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, mark) })
}

// isLoop recognizes the answer to errCameBack.
func isLoop(rec *recorder) bool {
	return rec.status == http.StatusLoopDetected && rec.header.Get("X-Inbox-Reason") == errCameBack.reason
}
