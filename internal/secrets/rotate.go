package secrets

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/verify"
)

// Secrets are the secrets of a source, which follow their files. The zero Secrets have
// no set until Open has succeeded.
type Secrets struct {
	source     string
	configured []Config
	replace    Replace
	counter    func(fingerprint string) Counter

	set atomic.Pointer[Set] // In force; nil before Open.

	// What follows belongs to the caller of Open, and then to that of Refresh.

	taken  string            // How the files looked when they were last resolved,
	seen   string            // and at the last look.
	keys   [sha256.Size]byte // Digest of the keys in force.
	broken bool              // The files as they were taken cannot be used.
}

// Open resolves the configured secrets of a source.
func (s *Secrets) Open(source string, configured []Config, replace Replace, counter func(fingerprint string) Counter) (warnings []string, err error) {
	s.source, s.configured, s.replace, s.counter = source, configured, replace, counter
	files := s.look() // Before they are read: what changes in between is seen later.
	keys, warnings, err := Resolve(configured, replace, time.Now())
	if err != nil {
		return nil, err
	}
	set, err := NewSet(keys, counter)
	if err != nil {
		return nil, err
	}
	s.set.Store(set)
	s.taken, s.seen, s.keys = files, files, digestOf(keys)
	return warnings, nil
}

// Set returns the secrets in force, nil if there are none yet.
func (s *Secrets) Set() *Set { return s.set.Load() }

// files returns the files that hold secrets of the source.
func (s *Secrets) files() (paths []string) {
	if len(s.configured) == 0 {
		if path := os.Getenv(verify.EnvSecretFile); path != "" {
			paths = append(paths, path)
		}
	}
	for _, secret := range s.configured {
		paths = append(paths, filesIn(secret.Value)...)
	}
	return paths
}

// maxSecretFile is what Caddy reads of a {file.…} placeholder at most.
const maxSecretFile = 1 << 20

// look returns how the files look now. It reads them: a change within the
// resolution of the file system's clock would otherwise stay unseen.
func (s *Secrets) look() string {
	var b strings.Builder
	for _, path := range s.files() {
		raw, err := readSecretFile(path)
		if err != nil {
			fmt.Fprintf(&b, "%q cannot be read;", path)
			continue
		}
		fmt.Fprintf(&b, "%q %x;", path, sha256.Sum256(raw))
	}
	return b.String()
}

// readSecretFile reads regular files only: others might make it wait.
func readSecretFile(path string) ([]byte, error) {
	if fi, err := os.Stat(path); err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSecretFile))
}

// Refresh takes over files that have changed, once they look the same twice: a file
// that is just being written is not half a secret. Files that make no usable set of
// secrets change nothing, and are logged once. It is to be called about once a second,
// by one goroutine.
func (s *Secrets) Refresh(log *slog.Logger, now time.Time) {
	files := s.look()
	steady := files == s.seen
	s.seen = files
	if !steady || files == s.taken {
		return
	}
	s.taken = files
	keys, warnings, err := Resolve(s.configured, s.replace, now)
	var set *Set
	if err == nil {
		set, err = NewSet(keys, s.counter)
	}
	if err != nil {
		s.broken = true
		log.Error("a secret file has changed, and cannot be used: the secrets before it stay valid", "source", s.source, "error", err)
		return
	}
	sum := digestOf(keys)
	if sum == s.keys && !s.broken {
		return
	}
	s.keys, s.broken = sum, false
	set.Begin()
	s.set.Store(set)
	for _, w := range warnings {
		log.Warn("secret needs attention", "source", s.source, "warning", w)
	}
	valid := set.Valid()
	log.Info("secrets are taken from their files anew", "source", s.source, "secrets", len(valid), "fingerprints", valid)
}

// digestOf returns a digest by which two sets of keys are compared.
func digestOf(keys []verify.Secret) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, k := range keys {
		var n [16]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(k.Key)))
		if !k.NotAfter.IsZero() {
			binary.BigEndian.PutUint64(n[8:], uint64(k.NotAfter.UnixNano()))
		}
		h.Write(n[:])
		h.Write(k.Key)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
