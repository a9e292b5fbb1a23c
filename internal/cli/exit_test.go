package cli_test

import (
	"errors"
	"strings"
	"testing"
)

// A command that was not given as it has to be ends with 2, and one that finds nobody
// with 3; neither is the failure of what was asked for, which is 1.
func TestExitCodes(t *testing.T) {
	t.Setenv("INBOX_API_KEY", "a-key-for-the-platform")
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	nobody := closedPort(t)
	body := writeFile(t, "{}")
	for _, c := range []struct {
		code    codeError
		env     string // Of INBOX_WEBHOOK_SECRET and INBOX_API_KEY, the one that is unset.
		command string
	}{
		{2, "", "webhooks list --api-url nowhere"},
		{2, "", "webhooks list --api-url ftp://x"},
		{2, "", "webhooks list --api-url http://me@x"},
		{2, "", "webhooks create --url https://a.example --api-url nowhere"},
		{2, "", "webhooks delete wh_1 --api-url nowhere"},
		{2, "INBOX_API_KEY", "webhooks list --api-url http://" + nobody},
		{3, "", "webhooks list --api-url http://" + nobody},
		{2, "", "sign --secret-file /nowhere " + body},
		{2, "INBOX_WEBHOOK_SECRET", "sign " + body},
		{2, "INBOX_WEBHOOK_SECRET", "verify --signature x " + body},
		{2, "INBOX_WEBHOOK_SECRET", "trigger message.read --to http://" + nobody},
		{1, "", "verify --signature x " + body},
		{1, "", "sign /nowhere"},
		{2, "", "trigger message.read --to nowhere"},
		{3, "", "trigger message.read --to http://" + nobody},
		{3, "", "trigger all --duplicate --to http://" + nobody},
		{2, "", "status --admin ::1:2019"},
		{2, "", "status --admin"},
		{3, "", "status --admin " + nobody},
		{3, "", "events list --admin unix//nowhere.sock"},
		{2, "", "events list --admin " + nobody + " --since nope"},
		{2, "", "health --address nowhere"},
		{3, "", "health --address " + nobody},
		{2, "", "emulator --listen nowhere"},
		{1, "", "store check /nowhere"},
		{2, "", "events nope"},
		{2, "", "events list --nope"},
	} {
		t.Run(c.command, func(t *testing.T) {
			if c.env != "" {
				t.Setenv(c.env, "")
			}
			r := runCommand(t.Context(), "", strings.Fields(c.command)...)
			code, ok := errors.AsType[codeError](r.failed)
			if !ok && r.failed != nil {
				code = 1
			}
			if code != c.code {
				t.Errorf("it ends with %d, want %d: %s", code, c.code, r.err)
			}
		})
	}
}
