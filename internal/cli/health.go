package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/instance"
)

func (t *tree) healthCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health [--ready]",
		Short: "Asks a running inboxgate how it is, for containers without a shell",
		Long: `
Asks for /healthz: whether the process lives. With --ready it asks for /readyz:
whether new events can be taken. It ends with 0 if so, else with another code.

The address is that of --address or ` + env.OpsListen + `, else that of the
inboxgate that runs on this machine, else ` + env.DefaultOpsListen + `.`,
		Example: `  ` + t.Program + ` health
  ` + t.Program + ` health --ready`,
		Args: NoArgs,
		RunE: t.runHealth,
	}
	cmd.Flags().Bool("ready", false, "ask whether new events can be taken")
	cmd.Flags().String("address", "", "ask at this host:port instead")
	cmd.Flags().Duration("timeout", 4*time.Second, "how long to wait for the answer")
	return cmd
}

func (t *tree) runHealth(cmd *cobra.Command, _ []string) error {
	f := cmd.Flags()
	address, _ := f.GetString("address")
	timeout, _ := f.GetDuration("timeout")
	path := "/healthz"
	if ready, _ := f.GetBool("ready"); ready {
		path = "/readyz"
	}
	target, err := t.opsAddress(address)
	if err != nil {
		return err
	}
	if timeout <= 0 {
		return usage("--timeout must be above zero, for example 4s")
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+path, nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", target, err)
	}
	// Without the proxies of the environment: this never leaves the machine.
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			return fmt.Errorf("asking %s: %w: does inboxgate run, and answer probes there? --address or %s names another address", target, err, env.OpsListen)
		}
		return fmt.Errorf("asking %s: %w", target, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", target, err)
	}
	text := term.Cell(strings.TrimSpace(string(raw)))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s answers %s: %s", target, path, res.Status, orDash(text))
	}
	if res.Header.Get(control.HealthHeader) == "" {
		return fmt.Errorf("%s%s answers %s, but it is not inboxgate that does: does another program listen there, or has the site no %s?", target, path, res.Status, control.HealthDirective)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
	return wrote(err)
}

// opsAddress returns the address at which this machine reaches the listener of
// probes: that of the flag, of the environment, or of the instance that runs here.
func (t *tree) opsAddress(address string) (string, error) {
	from := "--address"
	if address == "" {
		from, address = env.OpsListen, strings.TrimSpace(os.Getenv(env.OpsListen))
	}
	switch address {
	case "":
		s := finder{dirs: instance.Directories(), dataDir: t.DataDir}
		found, err := s.probes()
		if err != nil {
			return "", err
		}
		address = cmp.Or(found, env.DefaultOpsListen)
	case "off":
		return "", Usagef("%s is off: there are no probes to ask", from)
	}
	target, err := probeAddress(address)
	if err != nil {
		return "", Usagef("%s is %q: write it as :9180 or 127.0.0.1:9180", from, address)
	}
	return target, nil
}

// probeAddress returns the address to dial for a listener.
func probeAddress(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	switch {
	case err != nil:
		return "", err
	case port == "":
		return "", errors.New("no port")
	case host == "::":
		return net.JoinHostPort("::1", port), nil
	}
	return net.JoinHostPort(env.DialHost(host), port), nil
}
