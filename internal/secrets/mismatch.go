package secrets

import (
	"bytes"
	"log/slog"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/loghandler"
)

const (
	// mismatchEvery is how often a signature that fits no secret is looked into. Anybody
	// may send one, and to try all mistakes takes a thousand times as long as to check.
	mismatchEvery = time.Minute
	// mostPuzzling bounds the body of such a request, in bytes. The platform's are smaller.
	mostPuzzling = 8 << 10
)

// Puzzle looks into signatures that fit no secret.
type Puzzle struct{ seldom loghandler.Seldom }

// NewPuzzle returns one that looks as seldom as a stranger may make it.
func NewPuzzle() *Puzzle { return &Puzzle{loghandler.Seldom{Every: mismatchEvery}} }

// Explain logs the mistake by which a signature of the body would fit one of the set,
// where it is a usual one: then the sender has our secret, and one of the two sides
// uses it wrong. It returns at once, and keeps nothing of its arguments.
func (p *Puzzle) Explain(set *Set, body []byte, signatures []string, source string, log *slog.Logger) {
	if len(signatures) == 0 || len(body) > mostPuzzling {
		return
	}
	if _, ok := p.seldom.Add(time.Now()); !ok {
		return
	}
	body, signature := bytes.Clone(body), signatures[0]
	go func() {
		found, ok := set.Mistake(body, signature)
		if !ok || len(found) == 0 {
			return
		}
		var causes, fixes []string
		for _, f := range found {
			causes, fixes = append(causes, f.Cause), append(fixes, f.Fix)
		}
		log.Warn("signatures fit no secret, and a usual mistake explains it", "source", source,
			"mistake", strings.Join(causes, "; and "), "fix", strings.Join(fixes, "; and "))
	}()
}
