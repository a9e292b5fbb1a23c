package platform

import (
	"context"
	"fmt"
	"net/http"
)

// Change is what to change of a webhook. What is nil stays as it is.
type Change struct {
	URL         *string
	Events      []string
	Description *string
}

// Change updates a part of a webhook. The documentation does not say whether an
// update replaces or merges, so what is to stay is read first and sent along, which
// is right either way. An id that is not listed is an
// *APIError with status 404.
func (c *Client) Change(ctx context.Context, id string, ch Change) (Webhook, error) {
	all, err := c.List(ctx)
	if err != nil {
		return Webhook{}, err
	}
	for _, w := range all {
		if w.ID != id {
			continue
		}
		r := Registration{URL: w.URL, Events: w.Events, Description: w.Description}
		if ch.URL != nil {
			r.URL = *ch.URL
		}
		if ch.Events != nil {
			r.Events = ch.Events
		}
		if ch.Description != nil {
			r.Description = *ch.Description
		}
		return c.Update(ctx, id, r)
	}
	return Webhook{}, fmt.Errorf("looking for webhook: %w",
		&APIError{Status: http.StatusNotFound, Code: "not_found", Message: "no webhook " + oneLine(id)})
}
