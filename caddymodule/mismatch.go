package caddymodule

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/verify"
)

const (
	// mismatchEvery is how often a signature that fits no secret is looked into. Anybody
	// may send one, and to try all mistakes takes a thousand times as long as to check.
	mismatchEvery = time.Minute
	// mostPuzzling bounds the body of such a request, in bytes. The platform's are smaller.
	mostPuzzling = 8 << 10
)

// explain logs the mistake by which a signature would fit, where it is a usual one:
// then the sender has our secret, and one of the two sides uses it wrong.
func (h *Webhook) explain(r *http.Request, body []byte) {
	given := r.Header[verify.Header]
	if len(given) == 0 || len(body) > mostPuzzling {
		return
	}
	if _, ok := h.src.puzzling.Add(time.Now()); !ok {
		return
	}
	body, signature := bytes.Clone(body), given[0]
	set := h.src.secrets.Set()
	go func() {
		found, ok := set.Mistake(body, signature)
		if !ok || len(found) == 0 {
			return
		}
		var causes, fixes []string
		for _, f := range found {
			causes, fixes = append(causes, f.Cause), append(fixes, f.Fix)
		}
		h.log.Warn("signatures fit no secret, and a usual mistake explains it", "source", h.Name,
			"mistake", strings.Join(causes, "; and "), "fix", strings.Join(fixes, "; and "))
	}()
}
