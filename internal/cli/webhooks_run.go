package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
)

// registrationFlags reads the flags that describe a webhook; what was not given is
// nil.
func registrationFlags(cmd *cobra.Command) (platform.Change, error) {
	var ch platform.Change
	f := cmd.Flags()
	if f.Changed("url") {
		url, _ := f.GetString("url")
		if url == "" {
			return ch, usage("--url is empty: give the webhook's address")
		}
		ch.URL = &url
	}
	if f.Changed("description") {
		description, _ := f.GetString("description")
		ch.Description = &description
	}
	if f.Changed("events") {
		events, _ := f.GetStringSlice("events")
		if len(events) == 0 {
			return ch, Usagef("--events is empty: the platform has %s", strings.Join(event.Types(), ", "))
		}
		for _, typ := range events {
			typ = strings.TrimSpace(typ)
			if err := checkTypeName("events", typ); err != nil {
				return ch, err
			}
			ch.Events = append(ch.Events, typ)
		}
	}
	return ch, nil
}

func (t *tree) runWebhooksCreate(cmd *cobra.Command, _ []string) error {
	ch, err := registrationFlags(cmd)
	if err != nil {
		return err
	}
	if ch.URL == nil {
		return usage("no URL: give the webhook's address with --url")
	}
	r := platform.Registration{URL: *ch.URL, Events: ch.Events}
	if r.Events == nil {
		r.Events = event.Types()
	}
	if ch.Description != nil {
		r.Description = *ch.Description
	}
	call, err := t.newWebhooksCall(cmd)
	if err != nil {
		return err
	}
	path, _ := cmd.Flags().GetString("save-secret")
	if path == "" {
		w, err := call.client.Create(cmd.Context(), r)
		if err != nil {
			return err
		}
		return call.out.created(w, "")
	}
	return call.createSaved(cmd, r, path)
}

// createSaved registers a webhook and writes its secret to a file. It makes the file
// first: the API answers with the secret only once, so it must not be lost to a path
// that cannot be written.
func (c *webhooksCall) createSaved(cmd *cobra.Command, r platform.Registration, path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("making the file of --save-secret: %w", err)
	}
	w, err := c.client.Create(cmd.Context(), r)
	if err == nil && w.Secret == "" {
		err = fmt.Errorf("%s was created, but the answer holds no secret to save: look for it where the platform shows it", w.ID)
	}
	if err != nil {
		return errors.Join(err, file.Close(), os.Remove(path))
	}
	_, err = file.WriteString(w.Secret + "\n")
	if err = errors.Join(err, file.Close()); err != nil {
		// On the terminal it is at least not lost.
		return errors.Join(fmt.Errorf("saving the secret: %w", err), c.out.created(w, ""))
	}
	w.Secret = ""
	return c.out.created(w, path)
}

func (t *tree) runWebhooksList(cmd *cobra.Command, _ []string) error {
	call, err := t.newWebhooksCall(cmd)
	if err != nil {
		return err
	}
	all, err := call.client.List(cmd.Context())
	if err != nil {
		return err
	}
	return call.out.list(cmp.Or(call.client.BaseURL, platform.DefaultURL), all)
}

func (t *tree) runWebhooksUpdate(cmd *cobra.Command, args []string) error {
	ch, err := registrationFlags(cmd)
	if err != nil {
		return err
	}
	if ch.URL == nil && ch.Events == nil && ch.Description == nil {
		return usage("nothing to change: give --url, --events or --description")
	}
	call, err := t.newWebhooksCall(cmd)
	if err != nil {
		return err
	}
	w, err := call.client.Change(cmd.Context(), args[0], ch)
	if err != nil {
		return err
	}
	return call.out.updated(w)
}

func (t *tree) runWebhooksDelete(cmd *cobra.Command, args []string) error {
	call, err := t.newWebhooksCall(cmd)
	if err != nil {
		return err
	}
	if err := call.client.Delete(cmd.Context(), args[0]); err != nil {
		return err
	}
	return call.out.deleted(args[0])
}

func (t *tree) runWebhooksTest(cmd *cobra.Command, args []string) error {
	typ, _ := cmd.Flags().GetString("type")
	if err := checkTypeName("type", typ); err != nil {
		return err
	}
	call, err := t.newWebhooksCall(cmd)
	if err != nil {
		return err
	}
	sent, err := call.client.Test(cmd.Context(), args[0], typ)
	if err != nil {
		return err
	}
	return call.out.tested(sent)
}

func (t *tree) runWebhooksLogs(cmd *cobra.Command, args []string) error {
	call, err := t.newWebhooksCall(cmd)
	if err != nil {
		return err
	}
	logs, err := call.client.Logs(cmd.Context(), args[0])
	if err != nil {
		return err
	}
	return call.out.logs(args[0], logs)
}
