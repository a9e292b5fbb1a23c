package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/verify"
)

const secret = "a-secret-of-the-test-0123456789"

// patience bounds every wait of these tests; none of them waits that long on
// a machine that is well.
const patience = 60 * time.Second

// codeError is an error that names the code with which a program would end.
type codeError int

func (c codeError) Error() string { return fmt.Sprint("exit code ", int(c)) }

// program is the tree as Caddy mounts it, below a root like Caddy's.
func program() *cobra.Command {
	inbox := &cobra.Command{Use: cli.Group}
	cli.Mount(inbox, cli.Options{
		Program:      cli.ProgramName(""),
		DefaultAdmin: "localhost:2019",
		DataDir:      env.DefaultDataDir(filepath.Join(os.TempDir(), "no-caddy-here")),
		Exit:         func(_ *cobra.Command, code int) error { return codeError(code) },
	})
	root := &cobra.Command{Use: "caddy", SilenceUsage: true}
	root.AddCommand(inbox)
	return root
}

// ran is what a command left behind.
type ran struct {
	out, err string
	failed   error
}

func runCommand(ctx context.Context, stdin string, args ...string) ran {
	var out, errs bytes.Buffer
	root := program()
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(append([]string{"inbox"}, args...))
	err := root.ExecuteContext(ctx)
	return ran{out.String(), errs.String(), err}
}

// complains checks for one clear line on stderr, and nothing else.
func (r ran) complains(t *testing.T, says ...string) {
	t.Helper()
	if r.failed == nil {
		t.Error("it did not fail")
	}
	if !strings.HasPrefix(r.err, "Error: ") || strings.Count(r.err, "\n") != 1 {
		t.Errorf("stderr is not one line: %q", r.err)
	}
	for _, s := range says {
		if !strings.Contains(r.err, s) {
			t.Errorf("%q does not say %q", r.err, s)
		}
	}
	if strings.Contains(r.out+r.err, "Usage:") {
		t.Errorf("the usage is dumped: %q", r.out+r.err)
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSubcommands(t *testing.T) {
	t.Parallel()
	inbox, _, err := program().Find([]string{cli.Group})
	if err != nil {
		t.Fatal(err)
	}
	names := cli.Names(inbox)
	for _, want := range []string{"dead", "emulator", "events", "health", "quarantine", "routes", "sign", "store", "trigger", "verify", "webhooks"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %q", want, names)
		}
		if r := runCommand(t.Context(), "", want, "--help"); r.failed != nil || !strings.Contains(r.out, "Examples:") {
			t.Errorf("%s --help: %v, %q", want, r.failed, r.out)
		}
	}
	if r := runCommand(t.Context(), ""); r.failed != nil || !strings.Contains(r.out, "Available Commands:") {
		t.Errorf("no command: %v, %q", r.failed, r.out)
	}
	runCommand(t.Context(), "", "triger").complains(t, `unknown command "triger"; did you mean "trigger"?`)
	runCommand(t.Context(), "", "somethingelse").complains(t, `unknown command "somethingelse"; there are`)
	runCommand(t.Context(), "", "events", "list", "foo").complains(t, `unexpected "foo": caddy inbox events list takes no argument`)
	if r := runCommand(t.Context(), "", "sign", "--help"); strings.Contains(r.out, "--secret ") {
		t.Error("a flag takes the secret itself, which ps would show")
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	body := "{\"id\":\"evt_1\"}\n"
	want := verify.Sign([]byte(secret), []byte(body))
	key := "--secret-file=" + writeFile(t, secret+"\n")
	for _, tt := range []struct {
		name  string
		stdin string
		args  []string
		want  string
	}{
		{"file", "", []string{writeFile(t, body)}, want},
		{"stdin", body, nil, want},
		{"dash", body, []string{"-"}, want},
		{"header", body, []string{"--header"}, "X-Inbox-Signature: " + want},
		{"empty body", "", nil, verify.Sign([]byte(secret), nil)},
	} {
		r := runCommand(t.Context(), tt.stdin, append([]string{"sign", key}, tt.args...)...)
		if r.failed != nil || r.out != tt.want+"\n" || r.err != "" {
			t.Errorf("%s: %+v, want %q", tt.name, r, tt.want)
		}
	}
	two := writeFile(t, secret+"\nthe-old-secret-of-the-test\n")
	if r := runCommand(t.Context(), body, "sign", "--secret-file", two); r.out != want+"\n" {
		t.Errorf("of two secrets not the first signs: %+v", r)
	}
}

func TestSecretsOfCommands(t *testing.T) {
	t.Setenv(env.Secret, secret)
	t.Setenv(env.SecretFile, "")
	want := verify.Sign([]byte(secret), []byte("x")) + "\n"
	if r := runCommand(t.Context(), "x", "sign"); r.out != want {
		t.Errorf("from the environment: %+v", r)
	}
	other := writeFile(t, "quite-another-secret")
	if r := runCommand(t.Context(), "x", "sign", "--secret-file", other); r.out != verify.Sign([]byte("quite-another-secret"), []byte("x"))+"\n" {
		t.Errorf("--secret-file does not override: %+v", r)
	}
	runCommand(t.Context(), "x", "sign", "--secret-file", other+".not").complains(t, "reading --secret-file", "no such file")
	runCommand(t.Context(), "x", "sign", "--secret-file", writeFile(t, " \n")).complains(t, "no secret in")
	runCommand(t.Context(), "x", "sign", "--secret-file", writeFile(t, "short")).complains(t, "shorter than 16 bytes")
	runCommand(t.Context(), "x", "sign", "/no/such/file").complains(t, "reading body", "no such file")
	runCommand(t.Context(), "x", "sign", "one", "two").complains(t, "accepts at most 1 arg")
	t.Setenv(env.Secret, "")
	runCommand(t.Context(), "x", "sign").complains(t, "no secret: set "+env.Secret)
	t.Setenv(env.SecretFile, other)
	if r := runCommand(t.Context(), "x", "sign"); r.failed != nil {
		t.Errorf("from %s: %+v", env.SecretFile, r)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	body := `{"id":"evt_1","data":{"to":"+15551234567"}}`
	key := "--secret-file=" + writeFile(t, "the-old-secret-of-the-test\n"+secret+"\n")
	good := verify.Sign([]byte(secret), []byte(body))
	r := runCommand(t.Context(), body, "verify", key, "--signature", good)
	if r.failed != nil || r.out != "valid: signed with secret 2 of 2\n" || r.err != "" {
		t.Errorf("a good one: %+v", r)
	}
	r = runCommand(t.Context(), "", "verify", key, "--signature", strings.ToUpper(good[7:]), writeFile(t, body))
	if r.failed != nil {
		t.Errorf("bare digits, body from a file: %+v", r)
	}
	r = runCommand(t.Context(), body+"\n", "verify", key, "--signature", good)
	if r.failed == nil || r.err != "" || !strings.HasPrefix(r.out, "invalid: the signature is not that of this body\n  cause: there is a newline at the end") {
		t.Errorf("a newline more: %+v", r)
	}
	if !strings.Contains(r.out, "  fix:   ") || strings.Contains(r.out, secret) || strings.Contains(r.out, "5551234567") {
		t.Errorf("the explanation lacks the fix, or tells too much: %q", r.out)
	}
	if strings.Contains(r.out, "\x1b") {
		t.Error("colours where there is no terminal")
	}
	if r = runCommand(t.Context(), body, "verify", key, "--signature", ""); r.failed == nil || !strings.HasPrefix(r.out, "invalid: signature is missing\n") {
		t.Errorf("an empty one: %+v", r)
	}
	if r = runCommand(t.Context(), body, "verify", key, "--signature", "sha1=abc"); r.failed == nil || !strings.HasPrefix(r.out, "invalid: signature is malformed\n") {
		t.Errorf("a malformed one: %+v", r)
	}
	runCommand(t.Context(), body, "verify", key).complains(t, "no signature", "--signature")
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	root := program()
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs([]string{cobra.ShellCompRequestCmd, "inbox", "trigger", ""})
	if err := root.Execute(); err != nil || !strings.Contains(out.String(), "message.failed\n") {
		t.Errorf("%v: %q", err, out.String())
	}
}

// Two mistakes at once are found, where one of them is at the body's end.
func TestVerifyFindsTwoMistakes(t *testing.T) {
	t.Parallel()
	key := "--secret-file=" + writeFile(t, secret)
	signed := []byte("{\n  \"id\": \"evt_1\",\n  \"data\": {}\n}\n")
	r := runCommand(t.Context(), `{"id":"evt_1","data":{}}`, "verify", key, "--signature", verify.Sign([]byte(secret), signed))
	if said := r.out + r.err; r.failed == nil || !strings.Contains(said, "indented by 2 spaces") || !strings.Contains(said, "a newline at the end was signed") {
		t.Errorf("%v: %s", r.failed, said)
	}
}
