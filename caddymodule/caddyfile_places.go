package caddymodule

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// places remembers where in a Caddyfile of this process a source or a secret
// stands. What is wrong with them is often known only when the configuration is
// provisioned, of which a Caddyfile is no part any more.
var places sync.Map // The digest of a source's JSON, as [32]byte, to a sourcePlace.

// sourcePlace is file and line of a source, and of each of its secrets.
type sourcePlace struct {
	at      string
	secrets []string
	// odd is what the source's text has that is probably not meant, in words.
	odd []string
}

func placeOf(t caddyfile.Token) string { return fmt.Sprintf("%s:%d", t.File, t.Line) }

// rememberPlace notes where the source stands. A configuration that comes by
// another way and is equal stands there too.
func rememberPlace(s Source, p sourcePlace) {
	if raw, err := json.Marshal(s); err == nil {
		places.Store(sha256.Sum256(raw), p)
	}
}

// findPlace returns the place of a source, empty where it came from no Caddyfile.
func findPlace(fingerprint string) sourcePlace {
	p, _ := places.Load(sha256.Sum256([]byte(fingerprint)))
	found, _ := p.(sourcePlace)
	return found
}

// builtIn is the name of the file that the sidecar writes from its variables. There is
// no line of it to look up.
const builtIn = "built-in"

// place returns the source's place for a sentence, empty if it is not known.
func (s *source) place() string {
	return atPlace(findPlace(s.fingerprint).at)
}

// atPlace returns a place for a sentence, empty if nobody can look it up.
func atPlace(at string) string {
	if at == "" || strings.HasPrefix(at, builtIn+":") {
		return ""
	}
	return " at " + at
}

// located adds the place to what is wrong with a source: that of the secret which
// the error is about, else its own.
func located(s Source, err error) error {
	raw, _ := json.Marshal(s) // Join refuses what cannot be marshalled.
	p := findPlace(string(raw))
	if p.at == "" || strings.HasPrefix(p.at, builtIn+":") {
		return err
	}
	at := p.at
	for i, place := range p.secrets {
		if strings.HasPrefix(err.Error(), fmt.Sprintf("secret %d: ", i+1)) {
			at = place
		}
	}
	return fmt.Errorf("%w, at %s", err, at)
}
