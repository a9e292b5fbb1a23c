package platform_test

import (
	"errors"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/internal/platform/emulator"
)

// The client against the emulator, from the registration to the last log entry.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	e, err := emulator.New(emulator.Options{Speed: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	e.Start()
	api := httptest.NewServer(e)
	t.Cleanup(func() {
		api.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	receiver := httptest.NewServer(nil) // 404 to everything
	t.Cleanup(receiver.Close)

	ctx := t.Context()
	c := &platform.Client{BaseURL: api.URL, Key: e.Key()}
	w, err := c.Create(ctx, platform.Registration{URL: receiver.URL, Events: []string{"message.read"}, Description: "one"})
	if err != nil || w.ID == "" || w.Secret == "" || time.Since(w.CreatedAt) > time.Minute {
		t.Fatalf("create: %+v, %v", w, err)
	}
	description := "two"
	changed, err := c.Change(ctx, w.ID, platform.Change{Description: &description})
	if err != nil || changed.URL != w.URL || changed.Description != "two" || !slices.Equal(changed.Events, w.Events) {
		t.Errorf("change: %+v, %v", changed, err)
	}
	sent, err := c.Test(ctx, w.ID, "message.read")
	if err != nil || sent.WebhookID != w.ID {
		t.Fatalf("test: %+v, %v", sent, err)
	}
	if err := e.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	logs, err := c.Logs(ctx, w.ID)
	if err != nil || len(logs) != platform.Attempts || logs[0].Status != platform.LogFailed || logs[5].ResponseStatus != 404 || logs[5].EventID != sent.EventID {
		t.Errorf("logs: %+v, %v", logs, err)
	}
	if err := c.Delete(ctx, w.ID); err != nil {
		t.Error(err)
	}
	if all, err := c.List(ctx); err != nil || len(all) != 0 {
		t.Errorf("list: %+v, %v", all, err)
	}
	var asAPI *platform.APIError
	if _, err = c.Change(ctx, w.ID, platform.Change{}); !errors.As(err, &asAPI) || asAPI.Status != 404 {
		t.Errorf("change of a deleted one: %v", err)
	}
	if err = c.Delete(ctx, w.ID); !errors.As(err, &asAPI) || asAPI.Status != 404 || asAPI.Code != "not_found" {
		t.Errorf("delete of a deleted one: %v", err)
	}
	c.Key = "wrong"
	if _, err = c.List(ctx); !errors.As(err, &asAPI) || asAPI.Status != 401 {
		t.Errorf("wrong key: %v", err)
	}
}
