package emulator

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
)

const maxHooks = 100

// Create registers a webhook as the API does; the result holds its secret. Its
// errors are *platform.APIError.
func (e *Emulator) Create(r platform.Registration) (platform.Webhook, error) {
	if err := check(r); err != nil {
		return platform.Webhook{}, err
	}
	now := stamp(e.opts.Now())
	h := &endpoint{hook: platform.Webhook{
		ID: newID("wh_"), URL: r.URL, Events: slices.Clone(r.Events), Description: r.Description,
		// OUR ASSUMPTION: the form of a secret. All of it is the HMAC's key, as
		// in the documentation's example.
		Secret: "whsec_" + randomHex(32), CreatedAt: now, UpdatedAt: now,
	}}
	e.mu.Lock()
	if len(e.hooks) >= maxHooks {
		e.mu.Unlock()
		return platform.Webhook{}, refusal(http.StatusConflict, "too_many_webhooks", "there are %d webhooks already: delete one first", maxHooks)
	}
	e.hooks = append(e.hooks, h)
	hook := h.hook
	e.mu.Unlock()
	if err := e.saveNow(); err != nil {
		_ = e.remove(h.hook.ID)
		return platform.Webhook{}, err
	}
	return hook, nil
}

// List returns the webhooks without their secrets, oldest first.
func (e *Emulator) List() []platform.Webhook {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.list()
}

// list is List for a caller that holds mu.
func (e *Emulator) list() []platform.Webhook {
	all := make([]platform.Webhook, 0, len(e.hooks))
	for _, h := range e.hooks {
		all = append(all, h.shown())
	}
	return all
}

// shown returns the webhook without its secret, which only Create returns.
func (h *endpoint) shown() platform.Webhook {
	w := h.hook
	w.Secret = ""
	return w
}

// Secret returns the secret of a webhook, which the API shows only when it is
// created, or an empty string for an unknown id.
func (e *Emulator) Secret(id string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h := e.find(id); h != nil {
		return h.hook.Secret
	}
	return ""
}

// patch is the body of an update.
//
// OUR ASSUMPTION: what it leaves out stays as it is.
type patch struct {
	URL         *string   `json:"url"`
	Events      *[]string `json:"events"`
	Description *string   `json:"description"`
}

func (e *Emulator) update(id string, p patch) (platform.Webhook, error) {
	w, err := e.change(id, p)
	if err != nil {
		return platform.Webhook{}, err
	}
	return w, e.saveNow()
}

// change updates a webhook. It holds mu from reading to writing, so that two updates
// at the same time merge.
func (e *Emulator) change(id string, p patch) (platform.Webhook, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.find(id)
	if h == nil {
		return platform.Webhook{}, noWebhook(id)
	}
	r := platform.Registration{URL: h.hook.URL, Events: h.hook.Events, Description: h.hook.Description}
	if p.URL != nil {
		r.URL = *p.URL
	}
	if p.Events != nil {
		r.Events = *p.Events
	}
	if p.Description != nil {
		r.Description = *p.Description
	}
	if err := check(r); err != nil {
		return platform.Webhook{}, err
	}
	h.hook.URL, h.hook.Events, h.hook.Description = r.URL, slices.Clone(r.Events), r.Description
	h.hook.UpdatedAt = stamp(e.opts.Now())
	return h.shown(), nil
}

// Delete removes a webhook as the API does. Its deliveries are cancelled.
func (e *Emulator) Delete(id string) error {
	if err := e.remove(id); err != nil {
		return err
	}
	return e.saveNow()
}

// remove deletes a webhook without saving the state.
func (e *Emulator) remove(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.find(id)
	if h == nil {
		return noWebhook(id)
	}
	e.hooks = slices.DeleteFunc(e.hooks, func(o *endpoint) bool { return o == h })
	h.deleted = true
	r := e.round
	for _, t := range h.ready {
		if t.extra {
			t.d.extras--
			r.extras--
		}
	}
	h.ready = nil
	for _, d := range r.sent {
		if d.webhook == id && d.status == Waiting {
			d.status = Cancelled
			r.counts.Pending--
			r.counts.Cancelled++
		}
	}
	e.due.drop(id)
	e.changed.Broadcast()
	return nil
}

// Pause has nothing sent to a webhook any more, or again. What comes meanwhile, and what
// is due again, waits. The API has no such thing; the page has.
func (e *Emulator) Pause(id string, paused bool) error {
	e.mu.Lock()
	h := e.find(id)
	if h == nil {
		e.mu.Unlock()
		return noWebhook(id)
	}
	h.paused = paused
	e.pump(h)
	e.mu.Unlock()
	return e.saveNow()
}

// Test sends an event to a webhook as the API does.
//
// OUR ASSUMPTION: any documented type will do, also one that the webhook does
// not take.
func (e *Emulator) Test(id, eventType string) (platform.TestEvent, error) {
	if err := checkType(eventType); err != nil {
		return platform.TestEvent{}, err
	}
	ev, body, err := e.sample(eventType)
	if err != nil {
		return platform.TestEvent{}, err
	}
	if err := e.deliver(id, newContent(ev.ID, ev.Type, body, 0)); err != nil {
		return platform.TestEvent{}, err
	}
	return platform.TestEvent{WebhookID: id, EventID: ev.ID, EventType: eventType, Status: "queued"}, nil
}

// SendBody sends any bytes to a webhook, signed and retried like an event.
func (e *Emulator) SendBody(id string, body []byte) error {
	ev, err := event.Parse(body)
	if err != nil {
		ev = event.Event{} // an odd one, which is what this is for
	}
	return e.deliver(id, newContent(ev.ID, ev.Type, slices.Clone(body), 0))
}

// deliver sends one event to one webhook.
func (e *Emulator) deliver(id string, c content) error {
	e.mu.Lock()
	h := e.find(id)
	if h == nil {
		e.mu.Unlock()
		return noWebhook(id)
	}
	e.round.counts.Events++
	e.add(h, &delivery{content: c})
	e.mu.Unlock()
	return e.saveNow()
}

// Logs returns the attempts to deliver to a webhook, newest first.
func (e *Emulator) Logs(id string) ([]platform.LogEntry, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.find(id)
	if h == nil {
		return nil, noWebhook(id)
	}
	logs := slices.Clone(h.logs[max(0, len(h.logs)-maxLogs):])
	slices.Reverse(logs)
	return logs, nil
}

// find returns a webhook, nil for an unknown id. The caller holds mu.
func (e *Emulator) find(id string) *endpoint {
	for _, h := range e.hooks {
		if h.hook.ID == id {
			return h
		}
	}
	return nil
}

// sample returns an event as the platform would send it, and its body.
func (e *Emulator) sample(typ string) (event.Event, []byte, error) {
	ev, err := event.Sample(typ, e.opts.Now(), nil)
	if err != nil {
		return ev, nil, err
	}
	body, err := ev.Marshal()
	return ev, body, err
}

func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()[:16]) }
