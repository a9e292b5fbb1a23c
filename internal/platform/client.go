package platform

import (
	"context"
	"net/http"
	"time"
)

// DefaultTimeout bounds one request of a Client whose HTTP has no timeout.
const DefaultTimeout = 15 * time.Second

// Client calls the platform's API. Its methods may be called at the same time. They
// return an *APIError for an answer that is not 2xx.
type Client struct {
	// BaseURL is the API's address. It may have a path before /v1. Default DefaultURL.
	BaseURL string
	// Key is the API key. Without one every method returns ErrNoKey.
	Key string
	// HTTP makes the requests. Its redirect policy is not used: redirects are errors,
	// since the key must not travel. Default http.DefaultClient.
	HTTP *http.Client
}

// Create registers a webhook. Only its result holds the secret.
func (c *Client) Create(ctx context.Context, r Registration) (Webhook, error) {
	answer, err := c.ask(ctx, http.MethodPost, "/v1/webhooks", r)
	if err != nil {
		return Webhook{}, err
	}
	return readWebhook(answer)
}

// List returns all webhooks, in the API's order.
func (c *Client) List(ctx context.Context) ([]Webhook, error) {
	answer, err := c.ask(ctx, http.MethodGet, "/v1/webhooks", nil)
	if err != nil {
		return nil, err
	}
	return readList(answer, "webhooks", webhookFrom)
}

// Update replaces all of a webhook that a Registration has. Where the API answers
// without the webhook, the result holds what was sent.
func (c *Client) Update(ctx context.Context, id string, r Registration) (Webhook, error) {
	path, err := webhookPath(id)
	if err != nil {
		return Webhook{}, err
	}
	answer, err := c.ask(ctx, http.MethodPut, path, r)
	if err != nil {
		return Webhook{}, err
	}
	w, err := readWebhook(answer)
	if err != nil {
		return Webhook{ID: id, URL: r.URL, Events: r.Events, Description: r.Description}, nil //nolint:nilerr // 2xx is what counts
	}
	return w, nil
}

// Delete removes a webhook.
func (c *Client) Delete(ctx context.Context, id string) error {
	path, err := webhookPath(id)
	if err != nil {
		return err
	}
	_, err = c.ask(ctx, http.MethodDelete, path, nil)
	return err
}

// testRequest is the body of POST /v1/webhooks/test.
type testRequest struct {
	WebhookID string `json:"webhook_id"`
	EventType string `json:"event_type"`
}

// Test asks the platform to send a test event to a webhook.
func (c *Client) Test(ctx context.Context, id, eventType string) (TestEvent, error) {
	answer, err := c.ask(ctx, http.MethodPost, "/v1/webhooks/test", testRequest{id, eventType})
	if err != nil {
		return TestEvent{}, err
	}
	return readTestEvent(answer, id, eventType), nil
}

// Logs returns the attempts of a webhook, in the API's order.
func (c *Client) Logs(ctx context.Context, id string) ([]LogEntry, error) {
	path, err := webhookPath(id)
	if err != nil {
		return nil, err
	}
	answer, err := c.ask(ctx, http.MethodGet, path+"/logs", nil)
	if err != nil {
		return nil, err
	}
	return readList(answer, "logs", logEntryFrom)
}
