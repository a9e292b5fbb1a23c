package cli

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/nearest"
	"github.com/inboxgate/inboxgate/internal/platform"
)

func (t *tree) webhooksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhooks <command>",
		Short: "Registers webhooks with the platform, tests them and reads their logs",
		Long: `
Asks the platform's API, or an emulator of it, about your webhooks.

The API's address is ` + platform.DefaultURL + ` unless ` + env.APIURL + ` or
--api-url says otherwise. The API key comes from ` + env.APIKey + ` or from the
file that ` + env.APIKeyFile + ` names. There is no flag for the key: the list of
processes would show it to everybody.

With --format json each line of the output is one object, with the API's names.`,
		Example: `  ` + t.Program + ` webhooks create --url https://yourapp.com/webhooks/inbox
  ` + t.Program + ` webhooks test wh_1234567890 --type message.failed
  ` + t.Program + ` webhooks logs wh_1234567890 --format json`,
	}
	f := cmd.PersistentFlags()
	f.String("api-url", "", "the API's address (default: "+env.APIURL+", or "+platform.DefaultURL+")")
	f.Duration("timeout", platform.DefaultTimeout, "how long to wait for each answer of the API")
	addFormat(cmd)
	cmd.AddCommand(t.webhooksCreate(), t.webhooksList(), t.webhooksUpdate(), t.webhooksDelete(), t.webhooksTest(), t.webhooksLogs())
	needSubcommand(cmd)
	return cmd
}

func (t *tree) webhooksCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create --url <url> [--events <types>] [--description <text>]",
		Short: "Registers a webhook, and shows its secret",
		Long: `
Registers a webhook. The answer holds the secret that signs its events; it is
shown this once. --save-secret writes it to a new file that only you can read,
rather than to the terminal: ` + env.SecretFile + ` takes its name.`,
		Example: `  ` + t.Program + ` webhooks create --url https://yourapp.com/webhooks/inbox --events message.read,message.failed
  ` + t.Program + ` webhooks create --url https://yourapp.com/webhooks/inbox --save-secret webhook.secret`,
		Args: NoArgs,
		RunE: t.runWebhooksCreate,
	}
	addRegistration(cmd)
	cmd.Flags().String("save-secret", "", "write the secret to this file, which must not exist yet")
	return cmd
}

func (t *tree) webhooksList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Lists the webhooks",
		Example: `  ` + t.Program + ` webhooks list --format json`,
		Args:    NoArgs,
		RunE:    t.runWebhooksList,
	}
}

func (t *tree) webhooksUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "update <id> [--url <url>] [--events <types>] [--description <text>]",
		Short:   "Changes what is given of a webhook, and leaves the rest",
		Example: `  ` + t.Program + ` webhooks update wh_1234567890 --events message.failed`,
		Args:    t.oneWebhook,
		RunE:    t.runWebhooksUpdate,
	}
	addRegistration(cmd)
	return cmd
}

func (t *tree) webhooksDelete() *cobra.Command {
	return &cobra.Command{
		Use:     "delete <id>",
		Short:   "Deletes a webhook",
		Example: `  ` + t.Program + ` webhooks delete wh_1234567890`,
		Args:    t.oneWebhook,
		RunE:    t.runWebhooksDelete,
	}
}

func (t *tree) webhooksTest() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "test <id> [--type <type>]",
		Short:   "Has the platform send a test event to a webhook",
		Example: `  ` + t.Program + ` webhooks test wh_1234567890 --type message.failed`,
		Args:    t.oneWebhook,
		RunE:    t.runWebhooksTest,
	}
	cmd.Flags().String("type", event.TypeMessageDelivered, "the type of the event")
	completes(cmd, "type", event.Types()...)
	return cmd
}

func (t *tree) webhooksLogs() *cobra.Command {
	return &cobra.Command{
		Use:     "logs <id>",
		Short:   "Shows the platform's attempts to deliver to a webhook",
		Example: `  ` + t.Program + ` webhooks logs wh_1234567890`,
		Args:    t.oneWebhook,
		RunE:    t.runWebhooksLogs,
	}
}

// addRegistration adds the flags that describe a webhook.
func addRegistration(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("url", "", "where the platform sends events: an http or https URL")
	f.StringSlice("events", event.Types(), "the types to send, separated by commas")
	f.String("description", "", "a note for people")
	completes(cmd, "events", event.Types()...)
}

// oneWebhook accepts one argument, the id of a webhook.
func (t *tree) oneWebhook(cmd *cobra.Command, args []string) error {
	if len(args) == 1 && args[0] != "" {
		return nil
	}
	return fmt.Errorf("%d webhook ids: give one, as in %q; %q shows them",
		len(args), t.Program+" webhooks "+cmd.Name()+" wh_1234567890", t.Program+" webhooks list")
}

// webhooksCall is one run of a command that asks the platform's API.
type webhooksCall struct {
	client *platform.Client
	out    *printer
}

func (t *tree) newWebhooksCall(cmd *cobra.Command) (*webhooksCall, error) {
	f := cmd.Flags()
	// The flags exist and have these types, so reading them cannot fail.
	url, _ := f.GetString("api-url")
	timeout, _ := f.GetDuration("timeout")
	if timeout <= 0 {
		return nil, usage("--timeout must be above zero, for example 15s")
	}
	asJSON, err := formatOf(cmd)
	if err != nil {
		return nil, err
	}
	if url == "" {
		url = os.Getenv(env.APIURL)
	}
	key, err := envAPIKey()
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, usageError{platform.ErrNoKey}
	}
	if _, err := platform.CheckURL(url); err != nil {
		return nil, usageError{err}
	}
	return &webhooksCall{
		client: &platform.Client{BaseURL: url, Key: key, HTTP: &http.Client{Timeout: timeout}},
		out:    newPrinter(cmd.OutOrStdout(), asJSON, t.Program),
	}, nil
}

// envAPIKey reads the API key from the environment; none is no error.
func envAPIKey() (string, error) {
	key, err := env.ReadAPIKey()
	if _, ok := errors.AsType[env.BothSetError](err); ok {
		err = usageError{err}
	}
	return key, err
}

// checkTypeName refuses what is nearly a type of the platform. The API knows whether
// there are others.
func checkTypeName(flag, typ string) error {
	if typ == "" {
		return Usagef("--%s has an empty type: the platform has %s", flag, strings.Join(event.Types(), ", "))
	}
	if slices.Contains(event.Types(), typ) {
		return nil
	}
	near := nearest.Word(typ, event.Types())
	if short := "message." + typ; slices.Contains(event.Types(), short) {
		near = short
	}
	if near != "" {
		return Usagef("--%s: unknown event type %q; did you mean %q?", flag, typ, near)
	}
	return nil
}
