package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/verify"
)

// trigger posts what triggerOptions ask for, and counts the answers.
type trigger struct {
	triggerOptions
	sender  sender
	out     *triggerOutput
	sent    int // posts
	wrong   int // among them, those without the right answer
	strange int // among wrong, those whose answer was not inboxgate's
	alone   int // among wrong, those that met nobody
	missed  int // among wrong, those answered 404
	refused int // among wrong, those answered 401
}

// notOurs is the reason that is printed for a 200 without a result: it came from a
// server that has stored nothing.
const notOurs = "not inboxgate's answer: it has no X-Inbox-Result"

// run posts everything, or as much as ctx allows. Its error says that no more events
// could be made or lines written; wrong answers are only counted.
func (t *trigger) run(ctx context.Context) error {
	var tick <-chan time.Time
	if t.pause > 0 {
		ticker := time.NewTicker(t.pause)
		defer ticker.Stop()
		tick = ticker.C
	}
	first := true
	for range t.count {
		for i := range max(1, len(t.types)) {
			if !first && tick != nil {
				select {
				case <-tick:
				case <-ctx.Done():
				}
			}
			first = false
			m, err := t.make(i)
			if err != nil {
				return err
			}
			if err := t.post(ctx, m); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return nil
			}
		}
	}
	return nil
}

// post posts one message, or its copies.
func (t *trigger) post(ctx context.Context, m message) error {
	copies := 1
	if t.duplicate {
		copies = 2
	}
	for range copies {
		r := t.sender.send(ctx, m)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // Interrupted by the user, who sees how far it came.
		}
		t.sent++
		right := r.err == nil && r.status == t.expected()
		if right && r.result == "" && !t.badSignature && !t.direct {
			right, r.reason = false, notOurs
			t.strange++
		}
		if !right {
			t.wrong++
			switch r.status {
			case http.StatusNotFound:
				t.missed++
			case http.StatusUnauthorized:
				t.refused++
			}
		}
		if op, ok := errors.AsType[*net.OpError](r.err); ok && op.Op == "dial" {
			t.alone++
		}
		if err := t.out.line(m, r, right); err != nil {
			return fmt.Errorf("writing a line: %w", err)
		}
	}
	return nil
}

// make returns the next message, of the ith type.
func (t *trigger) make(i int) (message, error) {
	m := message{body: t.raw}
	if t.types != nil {
		var err error
		if m, err = t.sample(t.types[i]); err != nil {
			return message{}, err
		}
	}
	// The overrides may have set them.
	m.id, m.typ = "-", "-"
	if e, err := event.Parse(m.body); err == nil {
		m.id, m.typ = e.ID, e.Type
	}
	m.signature = verify.Sign(t.secret, m.body)
	if t.badSignature {
		m = forge(m, t.secret)
	}
	return m, nil
}

// sample makes an event. One of a type that the platform does not have looks like
// message.delivered.
func (t *trigger) sample(typ string) (message, error) {
	like := typ
	if !slices.Contains(event.Types(), typ) {
		like = event.TypeMessageDelivered
	}
	m, err := sampleMessage(like, time.Now(), t.secret)
	if err != nil {
		return message{}, err
	}
	overrides := t.overrides
	if like != typ {
		overrides = slices.Insert(slices.Clone(overrides), 0, override{path: []string{"type"}, value: quoted(typ)})
	}
	for _, o := range overrides {
		if m.body, err = o.apply(m.body); err != nil {
			return message{}, err
		}
	}
	return m, nil
}

// triggerOutput writes a line for each answer.
type triggerOutput struct {
	w     io.Writer
	json  *json.Encoder // nil for text
	paint term.Palette
}

func newTriggerOutput(w io.Writer, asJSON bool) *triggerOutput {
	o := &triggerOutput{w: w, paint: term.PaletteFor(w)}
	if asJSON {
		o.json = json.NewEncoder(w)
	}
	return o
}

// triggerLine is a line of the output as JSON.
type triggerLine struct {
	ID       string  `json:"id"`
	Type     string  `json:"type"`
	Status   int     `json:"status"`
	Result   string  `json:"result"`
	Reason   string  `json:"reason"`
	Millis   float64 `json:"ms"`
	Error    string  `json:"error,omitempty"`
	Expected bool    `json:"expected"`
}

// line writes what became of one post.
func (o *triggerOutput) line(m message, r reply, right bool) error {
	ms := float64(r.took.Microseconds()) / 1000
	if o.json != nil {
		l := triggerLine{ID: m.id, Type: m.typ, Status: r.status, Result: r.result, Reason: r.reason, Millis: ms, Expected: right}
		if r.err != nil {
			l.Error = r.err.Error()
		}
		return o.json.Encode(l)
	}
	status, note := "---", r.reason
	if r.status != 0 {
		status = fmt.Sprint(r.status)
	}
	if r.err != nil {
		note = r.err.Error()
	}
	if right {
		status = o.paint.Good(status)
	} else {
		status = o.paint.Bad(status)
	}
	_, err := fmt.Fprintf(o.w, "%-20s  %-17s  %s  %-11s  %8.1f ms%s\n", m.id, m.typ, status, orDash(r.result), ms, indent(note))
	return err
}

// indent returns a note with a space before it, or "".
func indent(note string) string {
	if note == "" {
		return ""
	}
	return "  " + note
}
