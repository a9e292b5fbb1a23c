package control

import (
	_ "embed"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

//go:embed openapi.json
var description []byte

func serveDescription(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(description)
}

// Store is how a store is.
type Store struct {
	// OK: it works, and takes new events.
	OK          bool   `json:"ok"`
	Unavailable string `json:"unavailable,omitempty"`
	Refusing    bool   `json:"refusing"`
	Used        int64  `json:"used_bytes"`
	File        int64  `json:"file_bytes"`
	Log         int64  `json:"log_bytes"`
	Free        uint64 `json:"free_bytes"`
	Floor       uint64 `json:"floor_bytes"`
	Quarantined int64  `json:"quarantined"`
	Odd         int64  `json:"quarantine_bytes"`
	Failures    int64  `json:"reopened"`
}

func (a *api) store(*request) (any, error) {
	g, ok := a.Store.(spool.Gauge)
	if !ok {
		return nil, errNoHands
	}
	s := g.Stats()
	v := Store{
		OK: s.Unavailable == nil && !s.Refusing, Refusing: s.Refusing, Used: s.Used, File: s.File, Log: s.Log,
		Free: s.Free, Floor: s.Floor, Quarantined: s.Odd, Odd: s.Quarantine, Failures: s.Failures,
	}
	if s.Unavailable != nil {
		v.Unavailable = s.Unavailable.Error()
	}
	return v, nil
}

func (a *api) compact(r *request, s *stream) error {
	c, ok := a.Store.(spool.Compacter)
	if !ok {
		return errNoHands
	}
	told := time.Time{}
	freed, err := c.Compact(r.Context(), func(part, whole int64) {
		s.last = Step{Part: part, Whole: whole}
		if time.Since(told) >= tellEvery {
			told = time.Now()
			_ = s.send(s.last)
		}
	})
	if err != nil {
		return err
	}
	s.last = Step{Changed: freed}
	a.audit(r, "compact", "bytes", freed)
	return nil
}

// backup answers with a whole copy of the store. It is made in a directory of
// its own beside the temporary files, so that it takes room there for as long.
func (a *api) backup(w http.ResponseWriter, hr *http.Request) {
	r := a.request(hr)
	if err := a.sendBackup(w, r); err != nil {
		writeError(w, err)
	}
}

func (a *api) sendBackup(w http.ResponseWriter, r *request) error {
	if err := r.needTrust(); err != nil {
		return err
	}
	b, ok := a.Store.(spool.Backuper)
	if !ok {
		return errNoHands
	}
	dir, err := os.MkdirTemp(a.Scratch, "backup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "spool.db")
	if err := b.Backup(r.Context(), path, nil); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	a.audit(r, "backup", "bytes", fi.Size())
	h := w.Header()
	h.Set("Content-Type", "application/vnd.sqlite3")
	h.Set("Content-Length", strconv.FormatInt(fi.Size(), 10))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	// What breaks now is seen by the caller, who has fewer bytes than promised.
	_, _ = io.Copy(w, f)
	return nil
}
