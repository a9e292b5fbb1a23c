package caddymodule

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/nearest"
)

// deliveryStates are the words of --state.
var deliveryStates = []string{"available", "running", "retrying", "delivered", "dead", "discarded", "unrouted"}

// filterFlags are all flags of a filter, with their help.
var filterFlags = map[string]string{
	"type":       "only events of this type",
	"state":      "only events with a delivery in this state, or unrouted",
	"route":      "only events with a delivery to this route",
	"source":     "only events of this source",
	"status":     "only events with a delivery whose last attempt had this status",
	"error":      "only events with a delivery whose last attempt had an error that holds this",
	"since":      "only what came since then: 2026-03-01T14:00:00Z, 2026-03-01 or 2h (ago)",
	"until":      "only what came before then",
	"id":         "only the event of this id",
	"reason":     "only what is in quarantine for this reason, or for one that begins so",
	"message-id": "only events whose data.message_id is this",
	"contains":   "only events whose body holds this text, as it came (reads each body)",
}

// addFilter adds all flags of a filter but some.
func addFilter(cmd *cobra.Command, but ...string) {
	for name, help := range filterFlags {
		// Entries of quarantine have reasons, and no deliveries.
		if slices.Contains(but, name) || name == "reason" && !slices.Contains(but, "route") {
			continue
		}
		cmd.Flags().String(name, "", help)
		switch name {
		case "type":
			completes(cmd, name, event.Types()...)
		case "state":
			completes(cmd, name, deliveryStates...)
		case "route", "source":
			_ = cmd.RegisterFlagCompletionFunc(name, completeRoutes(name == "source"))
		default:
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
		}
	}
}

// addOnly adds one flag of a filter.
func addOnly(cmd *cobra.Command, name string) {
	var others []string
	for other := range filterFlags {
		if other != name {
			others = append(others, other)
		}
	}
	addFilter(cmd, others...)
}

// readFilter reads the flags that a command has.
func readFilter(cmd *cobra.Command) (f control.Filter, err error) {
	for name, to := range map[string]*string{
		"type": &f.Type, "state": &f.State, "route": &f.Route, "source": &f.Source, "id": &f.ID, "message-id": &f.MessageID, "contains": &f.Contains, "error": &f.Error, "reason": &f.Reason,
	} {
		if *to, err = wordOf(cmd, name); err != nil {
			return f, err
		}
	}
	if f.Type != "" {
		if err := checkTypeName("type", f.Type); err != nil {
			return f, err
		}
	}
	if f.State != "" && !slices.Contains(deliveryStates, f.State) {
		if near := nearest.Word(f.State, deliveryStates); near != "" {
			return f, usagef("--state: unknown state %q; did you mean %q?", f.State, near)
		}
		return f, usagef("--state: unknown state %q; there are %s", f.State, strings.Join(deliveryStates, ", "))
	}
	if text, err := wordOf(cmd, "status"); err != nil || text != "" {
		if f.Status, err = strconv.Atoi(text); err != nil || f.Status < 100 || f.Status > 999 {
			return f, usagef("--status is %q: give a status such as 500", text)
		}
	}
	now := time.Now()
	for name, to := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		text, err := wordOf(cmd, name)
		if err != nil {
			return f, err
		}
		if text == "" {
			continue
		}
		if *to, err = control.ParseTime(text, now); err != nil {
			return f, usagef("--%s: %w", name, err)
		}
	}
	return f, nil
}

// wordOf is what a flag says, if the command has it. An empty one is refused: in
// a script it is a variable that was never set, and would choose every event.
func wordOf(cmd *cobra.Command, name string) (string, error) {
	flag := cmd.Flags().Lookup(name)
	if flag == nil {
		return "", nil
	}
	if text := flag.Value.String(); text != "" || !flag.Changed {
		return text, nil
	}
	return "", usagef("--%s is empty: give a value, or leave it out", name)
}

// addLimit adds --limit, which must not be negative.
func addLimit(cmd *cobra.Command, byDefault int, help string) {
	cmd.Flags().Uint("limit", uint(byDefault), help)
}

func limitOf(cmd *cobra.Command) int {
	n, _ := cmd.Flags().GetUint("limit")
	return int(min(n, 1<<30))
}

// addReveal adds --reveal.
func addReveal(cmd *cobra.Command) {
	cmd.Flags().Bool("reveal", false, "show phone numbers and signatures instead of masking them")
}

func revealed(cmd *cobra.Command) bool {
	yes, _ := cmd.Flags().GetBool("reveal")
	return yes
}
