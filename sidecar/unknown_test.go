package main

import (
	"strings"
	"testing"
)

func TestUnknownCommand(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"event list":          `unknown command "event"; did you mean "events"?`,
		"statu":               `unknown command "statu"; did you mean "status"?`,
		"test":                `unknown command "test"; did you mean "webhooks test"?`,
		"rum":                 `unknown command "rum"; did you mean "run"?`,
		"something":           "unknown command \"something\": `inboxgate help` lists all commands",
		"help triger":         `unknown help topic "triger"; did you mean "trigger"?`,
		"help events shw":     `unknown help topic "events shw"; did you mean "events show"?`,
		"help events show it": "unknown help topic \"events show it\": `inboxgate help` lists all commands",
		"help":                "",
		"help trigger":        "",
		"help events show":    "",
		"help inbox status":   "",
		"help run":            "",
		"help help":           "",
		"--help":              "",
		"-v":                  "",
		"version":             "",
		"completion bash":     "",
		"events show":         "",
		"inbox nothing":       "", // The tree says it itself.
		"__complete sta":      "",
		"__completeNoDesc s":  "",
	} {
		if got := unknownCommand(arguments(append([]string{"inboxgate"}, strings.Fields(line)...))); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}
