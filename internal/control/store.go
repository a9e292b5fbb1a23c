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
	// OK reports whether it works and takes new events.
	OK bool `json:"ok"`
	// Unavailable is why it does not work, empty if it does.
	Unavailable string `json:"unavailable,omitempty"`
	// Refusing reports whether it takes no new events because it, or its disk, is full.
	Refusing bool `json:"refusing"`
	// Used is the bytes that count against the configured size, File those of the
	// whole file, Log those of the write-ahead log.
	Used int64 `json:"used_bytes"`
	File int64 `json:"file_bytes"`
	Log  int64 `json:"log_bytes"`
	// Free is the bytes that the file system has left, and Floor what it must have for
	// new events to be taken.
	Free  uint64 `json:"free_bytes"`
	Floor uint64 `json:"floor_bytes"`
	// Quarantined counts the entries of quarantine, and Odd their bytes.
	Quarantined int64 `json:"quarantined"`
	Odd         int64 `json:"quarantine_bytes"`
	// Failures counts how often it had to be reopened since the start.
	Failures int64 `json:"reopened"`
	// Engine is sqlite or postgres.
	Engine string `json:"engine"`
	// Database is how the database is that holds the store, nil for none.
	Database *Database `json:"database,omitempty"`
	// Members are the processes that share the store, in the order of their start; none
	// where it is not shared.
	Members []Member `json:"members,omitempty"`
}

func (a *api) store(r *request) (any, error) {
	s := a.Store.Stats()
	v := Store{
		Engine: sqliteEngine, Members: a.members(r.Context()),
		OK: s.Unavailable == nil && !s.Refusing, Refusing: s.Refusing, Used: s.Used, File: s.File, Log: s.Log,
		Free: s.Free, Floor: s.Floor, Quarantined: s.Odd, Odd: s.Quarantine, Failures: s.Failures,
	}
	if a.Database != nil {
		if v.Database = a.Database(); v.Database != nil {
			v.Engine = postgresEngine
		}
	}
	if s.Unavailable != nil {
		v.Unavailable = s.Unavailable.Error()
	}
	return v, nil
}

func (a *api) compact(r *request, s *stream) error {
	var why why
	if err := readBody(r, &why); err != nil {
		return err
	}
	c, ok := a.Store.(spool.Embedded)
	if !ok {
		return a.noHands("compact")
	}
	sent := time.Time{}
	freed, err := c.Compact(r.Context(), func(part, whole int64) {
		s.last = Step{Part: part, Whole: whole}
		if time.Since(sent) >= stepEvery {
			sent = time.Now()
			_ = s.send(s.last)
		}
	})
	if err != nil {
		return err
	}
	s.last = Step{Changed: freed}
	a.audit(r, "compact", why.Reason, "bytes", freed)
	return nil
}
