package desk

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/platform/emulator"
)

// Desk is the apps, and the platform that sends to them.
type Desk struct {
	// Apps are at least one, the one that keys begin with first.
	Apps []*App
	// Platform sends to all its webhooks.
	Platform *emulator.Emulator
	// Links are other pages of the demonstration.
	Links []Link
	// Explains says in words how inboxgate repeats here.
	Explains string

	mu  sync.Mutex
	log []Done // oldest first, at most maxDone; guarded by mu
}

// Done is one thing that was done at the desk.
type Done struct {
	At     time.Time
	Said   string // what came of it
	Failed bool
}

// maxDone is how much of what was done is remembered.
const maxDone = 4

// note remembers what was done.
func (d *Desk) note(said string, err error) (string, error) {
	one := Done{At: time.Now(), Said: said, Failed: err != nil}
	if err != nil {
		one.Said = "That did not work: " + err.Error()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.log) == maxDone {
		d.log = slices.Delete(d.log, 0, 1)
	}
	d.log = append(d.log, one)
	return said, err
}

// done returns what was done, newest first.
func (d *Desk) done() []Done {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := slices.Clone(d.log)
	slices.Reverse(all)
	return all
}

// Link is another page.
type Link struct{ Name, URL string }

// Switch switches an app, and returns what it does from then on in words.
func (d *Desk) Switch(app string, m Mode) (said string, err error) {
	s, ok := switchTo(m)
	if !ok {
		return "", fmt.Errorf("%q is no mode of an app: it is one of %s", m, strings.Join(modes(), ", "))
	}
	for _, a := range d.Apps {
		if a.Name != app {
			continue
		}
		if err := a.Set(m); err != nil {
			return d.note("", err)
		}
		return d.note(fmt.Sprintf("%s %s. %s", a.Name, s.Does, s.Follows), nil)
	}
	return "", fmt.Errorf("%q is no app here: it is one of %s", app, strings.Join(d.names(), ", "))
}

func modes() (all []string) {
	for _, s := range Switches() {
		all = append(all, string(s.Mode))
	}
	return all
}

func (d *Desk) names() (all []string) {
	for _, a := range d.Apps {
		all = append(all, a.Name)
	}
	return all
}

// Send has the platform send a wave, and returns at once what is on its way in words.
func (d *Desk) Send(wave string) (said string, err error) {
	w, ok := waveOf(wave)
	if !ok {
		return "", fmt.Errorf("%q is nothing that can be sent here", wave)
	}
	if _, err := d.Platform.Send(w.Request); err != nil {
		return d.note("", fmt.Errorf("sending: %w", err))
	}
	return d.note(w.Says+".", nil)
}
