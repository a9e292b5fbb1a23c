package emulator

import (
	"container/heap"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/inboxgate/inboxgate/internal/platform"
)

const (
	stateFile    = "emulator.json"
	stateVersion = 1
	// saveEvery is the shortest time from a change to the write that holds it:
	// attempts are written together.
	saveEvery = 200 * time.Millisecond
)

// disk is the directory of the state. Its file is replaced as a whole.
type disk struct {
	dir   string
	dirty chan struct{} // has a value when the state has changed since it was written
	mu    sync.Mutex    // held while the file is written, so that an older state is never last
}

// duration is stored as nanoseconds: the JSON package has no form for
// time.Duration.
type duration int64

// stored is what the file holds.
type stored struct {
	Version    int              `json:"version"`
	Key        string           `json:"key"`
	Advanced   duration         `json:"advanced_ns"`
	Webhooks   []storedHook     `json:"webhooks"`
	Deliveries []storedDelivery `json:"deliveries"`
}

type storedHook struct {
	Webhook platform.Webhook    `json:"webhook"`
	Logs    []platform.LogEntry `json:"logs"`
	Paused  bool                `json:"paused,omitzero"`
}

// storedDelivery is one that is not finished.
type storedDelivery struct {
	WebhookID string    `json:"webhook_id"`
	JobID     string    `json:"job_id,omitzero"`
	EventID   string    `json:"event_id,omitzero"`
	Type      string    `json:"type,omitzero"`
	Body      []byte    `json:"body"` // in base64: an odd one may be no text
	Pad       int       `json:"pad,omitzero"`
	Fault     fault     `json:"fault,omitzero"`
	TwinSent  bool      `json:"twin_sent,omitzero"`
	Due       time.Time `json:"due"`
	Attempts  []Attempt `json:"attempts"`
}

// openDisk makes the directory, and removes what a kill left there.
func openDisk(dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making directory: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(dir, stateFile+".*.tmp"))
	for _, name := range old {
		err = errors.Join(err, os.Remove(name))
	}
	if err != nil {
		return nil, fmt.Errorf("cleaning directory: %w", err)
	}
	return &disk{dir: dir, dirty: make(chan struct{}, 1)}, nil
}

// load reads the file, if there is one.
func (e *Emulator) load() error {
	name := filepath.Join(e.disk.dir, stateFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading state: %w", err)
	}
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		// The error may quote a secret.
		return fmt.Errorf("reading state: %s is damaged: move it away to begin again", name)
	}
	if s.Version != stateVersion {
		return fmt.Errorf("reading state: %s has version %d, and this program knows %d", name, s.Version, stateVersion)
	}
	if e.key == "" {
		e.key = s.Key
	}
	e.advanced = time.Duration(s.Advanced)
	for _, h := range s.Webhooks {
		e.hooks = append(e.hooks, &endpoint{hook: h.Webhook, logs: h.Logs, paused: h.Paused})
	}
	for _, sd := range s.Deliveries {
		if e.find(sd.WebhookID) == nil {
			continue
		}
		e.restore(sd)
	}
	heap.Init(&e.due)
	return nil
}

// restore adds a delivery of the file. The caller makes due a heap again.
func (e *Emulator) restore(sd storedDelivery) {
	d := &delivery{
		webhook: sd.WebhookID, job: sd.JobID, content: newContent(sd.EventID, sd.Type, sd.Body, sd.Pad),
		fault: sd.Fault, status: Waiting, due: sd.Due, twinSent: sd.TwinSent, attempts: sd.Attempts,
	}
	for _, a := range d.attempts {
		d.counted = max(d.counted, a.N)
	}
	e.serial++
	d.serial = e.serial
	e.round.sent = append(e.round.sent, d)
	e.round.counts.Deliveries++
	e.round.counts.Pending++
	e.due = append(e.due, d)
}

// snapshot returns a copy of the state as the file holds it.
func (e *Emulator) snapshot() stored {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := stored{Version: stateVersion, Key: e.key, Advanced: duration(e.advanced)}
	for _, h := range e.hooks {
		s.Webhooks = append(s.Webhooks, storedHook{h.hook, slices.Clone(h.logs), h.paused})
	}
	for _, d := range e.round.sent {
		if d.status != Waiting {
			continue
		}
		s.Deliveries = append(s.Deliveries, storedDelivery{
			WebhookID: d.webhook, JobID: d.job, EventID: d.content.eventID, Type: d.content.typ,
			Body: d.content.body, Pad: d.content.pad, Fault: d.fault, TwinSent: d.twinSent,
			Due: d.due, Attempts: slices.Clone(d.attempts),
		})
	}
	return s
}

// save writes the file and returns when it is on stable storage.
func (e *Emulator) save() error {
	e.disk.mu.Lock()
	defer e.disk.mu.Unlock()
	text, err := json.Marshal(e.snapshot())
	if err != nil {
		return fmt.Errorf("encoding state: %w", err)
	}
	if err := e.disk.write(text); err != nil {
		return fmt.Errorf("writing state: %w", err)
	}
	return nil
}

// write replaces the file: a reader sees the old or the new one whole.
func (d *disk) write(text []byte) error {
	f, err := os.CreateTemp(d.dir, stateFile+".*.tmp") // mode 0600: it holds secrets
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(d.dir, stateFile))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return d.sync()
}

// sync makes the new name durable; the file's own fsync does not.
func (d *disk) sync() error {
	dir, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// saveNow saves what the API is about to answer. Its error is one that the API
// answers with.
func (e *Emulator) saveNow() error {
	if e.disk == nil {
		return nil
	}
	if err := e.save(); err != nil {
		e.opts.Log.Error("storing state", "error", err)
		return refusal(http.StatusInternalServerError, "not_stored", "the change could not be stored on disk")
	}
	return nil
}

// touch marks the state as changed, so that it is saved soon.
func (e *Emulator) touch() {
	if e.disk == nil {
		return
	}
	select {
	case e.disk.dirty <- struct{}{}:
	default:
	}
}

// keepSaved writes the state soon after it changed. A large state is written
// more rarely, so that writing takes a small part of the time.
func (e *Emulator) keepSaved() {
	pause := saveEvery
	for {
		select {
		case <-e.disk.dirty:
		case <-e.life.Done():
			return
		}
		if sleep(e.life, pause) != nil {
			return
		}
		began := time.Now()
		if err := e.save(); err != nil {
			e.opts.Log.Error("storing state", "error", err)
		}
		pause = max(saveEvery, 5*time.Since(began))
	}
}
