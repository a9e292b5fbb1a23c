package cli

import (
	"fmt"
	"strings"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/platform"
)

// created prints a new webhook, and its secret unless that is in the file.
func (o *printer) created(w platform.Webhook, file string) error {
	if o.json != nil {
		return o.webhook(w)
	}
	if err := o.say("Created %s.", term.Cell(w.ID)); err != nil {
		return err
	}
	if err := o.webhook(w); err != nil {
		return err
	}
	switch {
	case file != "":
		return o.say("The secret is in %s. inboxgate reads it from there:\n  export %s=%s", file, env.SecretFile, term.ShellWord(file))
	case w.Secret == "":
		return o.say("The answer holds no secret: look for it where the platform shows it, and set %s.", env.Secret)
	}
	return o.say("The secret is shown only this once. inboxgate reads it from its environment:\n  export %s=%s", env.Secret, term.ShellWord(w.Secret))
}

// updated prints a webhook that was changed.
func (o *printer) updated(w platform.Webhook) error {
	if o.json == nil {
		if err := o.say("Updated %s.", term.Cell(w.ID)); err != nil {
			return err
		}
	}
	w.Secret = "" // An API that answers with it here must not have it shown.
	return o.webhook(w)
}

// webhook prints one webhook, a line for each of its members.
func (o *printer) webhook(w platform.Webhook) error {
	if o.json != nil {
		if w.Events == nil {
			w.Events = []string{}
		}
		return o.encode(w)
	}
	table := term.NewList(o.w)
	fmt.Fprintf(table, "  url\t%s\n  events\t%s\n", term.Cell(w.URL), term.Cell(strings.Join(w.Events, ", ")))
	if w.Description != "" {
		fmt.Fprintf(table, "  description\t%s\n", term.Cell(w.Description))
	}
	return wrote(table.Flush())
}

// list prints the webhooks that the API at that address has.
func (o *printer) list(api string, all []platform.Webhook) error {
	if o.json != nil {
		for _, w := range all {
			if err := o.webhook(w); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 {
		return o.say("There are no webhooks at %s. %q makes one.", term.Cell(api), o.program+" webhooks create --url <url>")
	}
	return o.rows([]term.Column{whole("ID"), plain("URL"), plain("EVENTS"), timed("CREATED"), plain("DESCRIPTION")}, func(row func(...any)) {
		for _, w := range all {
			row(w.ID, w.URL, strings.Join(w.Events, ","), o.whenForms(w.CreatedAt), w.Description)
		}
	})
}

// deleted prints that a webhook is gone.
func (o *printer) deleted(id string) error {
	if o.json != nil {
		return o.encode(struct {
			ID      string `json:"id"`
			Deleted bool   `json:"deleted"`
		}{id, true})
	}
	return o.say("Deleted %s.", term.Cell(id))
}

// tested prints the test event that the platform sends.
func (o *printer) tested(e platform.TestEvent) error {
	if o.json != nil {
		return o.encode(e)
	}
	return o.say("A test event is on its way to %s: %s %s\nWhat comes of it: %[4]s webhooks logs %[1]s\nA 200 there may be anybody's. Whether inboxgate took it: %[4]s events list",
		term.Cell(e.WebhookID), term.Cell(e.EventType), term.Cell(orDash(e.EventID)), o.program)
}

// logs prints the platform's attempts to deliver to a webhook.
func (o *printer) logs(id string, entries []platform.LogEntry) error {
	if o.json != nil {
		return encodeAll(o, entries)
	}
	if len(entries) == 0 {
		return o.say("Nothing was sent to %s yet.", term.Cell(id))
	}
	columns := []term.Column{
		timed("TIME"), whole("EVENT"), typesColumn(), given("ATTEMPT", countsGive), plain("ANSWER"), given("TOOK", sizesGive), plain("STATUS"), timed("NEXT"),
	}
	return o.rows(columns, func(row func(...any)) {
		for _, e := range entries {
			answer := fmt.Sprint(e.ResponseStatus)
			if e.ResponseStatus == 0 {
				answer = orDash(e.Error)
			}
			row(o.clockForms(e.AttemptedAt), orDash(e.EventID), typeForms(e.EventType), e.Attempt, answer, fmt.Sprint(e.DurationMS, " ms"), e.Status, o.clockForms(e.NextAttemptAt))
		}
	})
}
