package control

import (
	_ "embed"
	"net/http"
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
	s := a.Store.Stats()
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
	c, ok := a.Store.(spool.Embedded)
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
