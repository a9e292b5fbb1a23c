package caddymodule

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/verify"
)

// rotation is what is known of a source's secrets, so that a change is seen.
type rotation struct {
	taken  string // How the secret files looked when they were last resolved,
	seen   string // and at the last look.
	keys   [sha256.Size]byte
	broken bool // The files as they were taken cannot be used.
}

// secretFiles are the files that hold secrets of the source.
func (s *source) secretFiles() (paths []string) {
	if len(s.Secrets) == 0 {
		if path := os.Getenv(env.SecretFile); path != "" {
			paths = append(paths, path)
		}
	}
	for _, secret := range s.Secrets {
		paths = append(paths, filesIn(secret.Value)...)
	}
	return paths
}

// maxSecretFile is what Caddy reads of a {file.…} placeholder at most.
const maxSecretFile = 1 << 20

// look says how the secret files look now. It reads them: a change within the
// resolution of the file system's clock would otherwise stay unseen.
func (s *source) look() string {
	var b strings.Builder
	for _, path := range s.secretFiles() {
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

// refreshSecrets takes over secret files that have changed, once they look the
// same twice: a file that is just being written is not half a secret. Files that
// make no usable set of secrets change nothing, and are told once.
func (s *source) refreshSecrets(log *slog.Logger, now time.Time) {
	r := &s.rotation
	files := s.look()
	steady := files == r.seen
	r.seen = files
	if !steady || files == r.taken {
		return
	}
	r.taken = files
	keys, warnings, err := resolveSecrets(s.Secrets, now)
	var c *checker
	if err == nil {
		c, err = newChecker(s.Name, keys)
	}
	if err != nil {
		r.broken = true
		log.Error("a secret file has changed, and cannot be used: the secrets before it stay valid", "source", s.Name, "error", err)
		return
	}
	sum := digestOf(keys)
	if sum == r.keys && !r.broken {
		return
	}
	r.keys, r.broken = sum, false
	c.used()
	s.verifier.Store(c)
	for _, w := range warnings {
		log.Warn("secret needs attention", "source", s.Name, "warning", w)
	}
	log.Info("secrets are taken from their files anew", "source", s.Name, "secrets", len(c.shown()), "fingerprints", c.shown())
}

// digestOf tells sets of secrets apart.
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
