package emulator

import (
	"slices"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/event"
)

// SendRequest says which events to make and what to do to them. Shares are
// from 0 to 1, of Count, and exact: a tenth of 200 is 20. Which ones, and in
// which order, follows from Seed; ids are new each time.
type SendRequest struct {
	// WebhookID is the id of the webhook that gets the events. Default: every webhook
	// that takes their type.
	WebhookID string `json:"webhook_id,omitzero"`
	// Type and Types are the types to choose from. Default: all that the webhooks
	// take.
	Type  string   `json:"type,omitzero"`
	Types []string `json:"types,omitzero"`
	// Count is how many events to make. Default 1.
	Count int `json:"count,omitzero"`
	// Rate is in events a second. Default: as fast as they are taken.
	Rate float64 `json:"rate,omitzero"`
	// Seed repeats the choices of another job. Default: a new one, see Job.
	Seed uint64 `json:"seed,omitzero"`

	// Duplicates are sent once more, with the same bytes: half of them while
	// the first attempt runs, half after it succeeded.
	Duplicates float64 `json:"duplicates,omitzero"`
	// Reorder holds events back behind up to 8 later ones.
	Reorder float64 `json:"reorder,omitzero"`
	// UnknownTypes have a type that the platform does not document.
	UnknownTypes float64 `json:"unknown_types,omitzero"`
	// Odd events are signed and have a strange body, one of OddKinds.
	Odd float64 `json:"odd,omitzero"`
	// OddKinds are the kinds to choose from. Default: all but "too_large".
	OddKinds []string `json:"odd_kinds,omitzero"`
	// Slow events drip the body of their first attempt over Drip.
	Slow float64 `json:"slow,omitzero"`
	// Drip is a duration such as "500ms". Default 2 s.
	Drip string `json:"drip,omitzero"`
	// Cut events break the connection of their first attempt in the middle of
	// the body.
	Cut float64 `json:"cut,omitzero"`

	// BadSignature and WrongSecret send forged requests beside the events,
	// once each: with a signature that is broken or missing, or one made with
	// another secret. They are no events and are never retried.
	BadSignature float64 `json:"bad_signature,omitzero"`
	WrongSecret  float64 `json:"wrong_secret,omitzero"`
}

// Job is a SendRequest at work.
type Job struct {
	ID string `json:"id"`
	// Seed makes the same choices again.
	Seed uint64 `json:"seed"`
	// Planned and Made count events.
	Planned int  `json:"planned"`
	Made    int  `json:"made"`
	Done    bool `json:"done"`
	// Error is why it ended early.
	Error string `json:"error,omitzero"`
}

const defaultDrip = 2 * time.Second

// drip returns Drip, or its default.
func (s SendRequest) drip() time.Duration {
	d, err := time.ParseDuration(s.Drip)
	if err != nil || s.Drip == "" {
		return defaultDrip
	}
	return d
}

// checkSend fills in what a request leaves out, and refuses what makes no
// sense.
func (e *Emulator) checkSend(s *SendRequest) error {
	switch {
	case s.Count < 0 || s.Count > maxCount:
		return invalid("count must be 1 to %d", maxCount)
	case !(s.Rate >= 0 && s.Rate <= maxRate):
		return invalid("rate must be 0 to %d events a second", maxRate)
	case s.WebhookID != "" && e.find(s.WebhookID) == nil:
		return noWebhook(s.WebhookID)
	}
	s.Count = max(s.Count, 1)
	for _, kind := range s.OddKinds {
		if !slices.Contains(OddKinds(), kind) {
			return invalid("unknown odd kind %q: it is one of %s", tidy(kind), strings.Join(OddKinds(), ", "))
		}
	}
	if len(s.OddKinds) == 0 {
		s.OddKinds = slices.DeleteFunc(OddKinds(), func(kind string) bool { return kind == "too_large" })
	}
	if d, err := time.ParseDuration(s.Drip); s.Drip != "" && (err != nil || d <= 0 || d > time.Minute) {
		return invalid("drip must be a duration above zero and at most 1m, such as 500ms")
	}
	if err := s.checkShares(); err != nil {
		return err
	}
	return e.checkTypes(s)
}

// checkShares refuses shares that no event can have together.
func (s *SendRequest) checkShares() error {
	for _, share := range []struct {
		name  string
		value float64
	}{
		{"duplicates", s.Duplicates},
		{"reorder", s.Reorder},
		{"unknown_types", s.UnknownTypes},
		{"odd", s.Odd},
		{"slow", s.Slow},
		{"cut", s.Cut},
		{"bad_signature", s.BadSignature},
		{"wrong_secret", s.WrongSecret},
	} {
		if !(share.value >= 0 && share.value <= 1) {
			return invalid("%s must be a share from 0 to 1", share.name)
		}
	}
	switch {
	case s.Odd+s.UnknownTypes > 1:
		return invalid("odd and unknown_types are more than 1 together: no event is both")
	case s.Slow+s.Cut > 1:
		return invalid("slow and cut are more than 1 together: no event is both")
	}
	return nil
}

// checkTypes sets Types to the types to choose from.
func (e *Emulator) checkTypes(s *SendRequest) error {
	if s.Type != "" {
		s.Types = append(slices.Clone(s.Types), s.Type)
	}
	// A webhook and a type that are both named go together in any case.
	anyway := s.WebhookID != "" && len(s.Types) > 0
	taken := func(typ string) bool {
		return anyway || slices.ContainsFunc(e.hooks, func(h *endpoint) bool {
			return (s.WebhookID == "" || h.hook.ID == s.WebhookID) && slices.Contains(h.hook.Events, typ)
		})
	}
	if len(s.Types) == 0 {
		for _, typ := range event.Types() {
			if taken(typ) {
				s.Types = append(s.Types, typ)
			}
		}
		if len(s.Types) == 0 {
			return invalid("there is no webhook: create one first")
		}
		return nil
	}
	for _, typ := range s.Types {
		if err := checkType(typ); err != nil {
			return err
		}
		if !taken(typ) {
			return invalid("no webhook takes %s: name one by webhook_id, or create one", typ)
		}
	}
	return nil
}
