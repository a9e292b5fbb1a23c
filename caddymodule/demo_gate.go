package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	// The demo's Caddyfile keeps all of Caddy's files in one directory.
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap"

	"github.com/inboxgate/inboxgate/internal/cli"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/instance"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// demoGate is inboxgate in this process, with all its files in one directory.
type demoGate struct {
	dir, host, port              string
	url                          string
	secretFile, keyFile, logFile string
	store                        string
	loaded                       bool
	withdraw                     func() // removes the pointer for commands, nil where there is none
}

const webhookPath = "/webhooks/inbox"

// newDemoGate settles where inboxgate will be, and starts nothing yet.
func newDemoGate(listen string) (*demoGate, error) {
	host, port, err := freeAddress(listen)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "inboxgate-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the demo: %w", err)
	}
	return &demoGate{
		dir: dir, host: host, port: port,
		url:        "http://" + net.JoinHostPort(env.DialHost(host), port) + webhookPath,
		secretFile: filepath.Join(dir, "secret"),
		keyFile:    filepath.Join(dir, "api-key"),
		logFile:    filepath.Join(dir, "caddy.log"),
		store:      filepath.Join(dir, "store"),
	}, nil
}

// start loads inboxgate with the webhook's secret. The API's key is put beside
// it for the user.
func (g *demoGate) start(secret, key, app, onCall string) error {
	for path, value := range map[string]string{g.secretFile: secret, g.keyFile: key} {
		if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
			return fmt.Errorf("writing the demo's secret and key: %w", err)
		}
	}
	config := g.caddyfile(g.host, g.port, app, onCall)
	if err := os.WriteFile(filepath.Join(g.dir, "Caddyfile"), config, 0o600); err != nil {
		return fmt.Errorf("writing the demo's Caddyfile: %w", err)
	}
	if err := g.load(config); err != nil {
		return err
	}
	g.announce()
	return nil
}

// socket is where the operator's commands reach the demo.
func (g *demoGate) socket() string { return filepath.Join(g.dir, env.AdminSocket) }

// operated: the kernel takes no longer path for a socket everywhere.
func (g *demoGate) operated() bool { return len(g.socket()) < 100 }

// announce leaves the pointer by which commands beside the demo find it. Without
// one they need --admin.
func (g *demoGate) announce() {
	if !g.operated() {
		return
	}
	dir, err := env.CanonicalDir(g.store)
	if err == nil {
		g.withdraw, err = instance.Announce(instance.Pointer{Admin: "unix/" + g.socket(), DataDir: dir, Started: time.Now().UTC()}, instance.Directories())
	}
	if err != nil {
		g.withdraw = nil
	}
}

// freeAddress finds the port that port 0 stands for, and refuses one that is
// taken: Caddy would share it with another Caddy without a word.
func freeAddress(listen string) (host, port string, err error) {
	if host, _, err = net.SplitHostPort(listen); err != nil {
		return "", "", cli.Usagef("reading --listen: %w: write it as 127.0.0.1:8080, or with port 0 for a free one", err)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", "", fmt.Errorf("listening for the demo: %w: give another address with --listen, such as 127.0.0.1:0", err)
	}
	defer l.Close()
	_, port, err = net.SplitHostPort(l.Addr().String())
	return host, port, err
}

// caddyfile is the configuration: what a user would write, and what keeps a
// demo from touching anything outside its directory.
func (g *demoGate) caddyfile(host, port, app, onCall string) []byte {
	bind := ""
	if host != "" {
		bind = "\tbind " + host + "\n"
	}
	admin := "off"
	if g.operated() {
		admin = fmt.Sprintf(`"unix/%s|0600"`, g.socket())
	}
	return fmt.Appendf(nil, `{
	admin %[10]s
	persist_config off
	auto_https off
	storage file_system "%[1]s"
	storage_clean_interval off
	log {
		output file "%[2]s"
	}
	inbox {
		data_dir "%[3]s"
	}
}

http://:%[4]s {
%[5]s	inbox_webhook %[6]s {
		secret "{file.%[7]s}"
		on * %[8]s {
			name app
		}
		on message.failed http://%[9]s/alerts {
			name on-call
		}
	}
}
`, filepath.Join(g.dir, "caddy"), g.logFile, g.store, port, bind, webhookPath, g.secretFile, app, onCall, admin)
}

func (g *demoGate) load(caddyfile []byte) error {
	json, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(caddyfile, map[string]any{"filename": filepath.Join(g.dir, "Caddyfile")})
	if err != nil {
		return fmt.Errorf("reading the demo's Caddyfile: %w", err)
	}
	// Caddy tells its old log where the new one is, which is no part of the
	// story. What goes wrong comes back as an error as well.
	_, old, buffered := caddy.BufferedLog()
	err = caddy.Load(json, true)
	buffered.FlushTo(zap.NewNop())
	caddy.UnbufferDefaultLogger(old)
	if err != nil {
		return fmt.Errorf("starting inboxgate: %w", err)
	}
	g.loaded = true
	return nil
}

// routes asks the store itself what waits in it.
func (g *demoGate) routes(ctx context.Context) (map[string]spool.RouteState, error) {
	st := g.storage()
	if st == nil {
		return nil, errors.New("the store is not open")
	}
	states, err := st.store.Routes(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the store for its routes: %w", err)
	}
	byName := make(map[string]spool.RouteState)
	for _, s := range states {
		byName[s.Key.Route] = s
	}
	return byName, nil
}

// await asks the store again and again until it is as wanted.
func (g *demoGate) await(ctx context.Context, wanted func(map[string]spool.RouteState) bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		routes, err := g.routes(ctx)
		if err == nil && wanted(routes) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(errors.New("the store did not get there in time"), err)
		}
	}
}

func (g *demoGate) storage() (found *storage) {
	dir, err := env.CanonicalDir(g.store)
	if err != nil {
		return nil
	}
	storages.Range(func(key, value any) bool {
		if key == dir {
			found, _ = value.(*storage)
		}
		return found == nil
	})
	return found
}

// close stops inboxgate and removes its directory unless it is to be kept.
func (g *demoGate) close(keep bool) error {
	if g.withdraw != nil {
		g.withdraw()
		g.withdraw = nil
	}
	if g.loaded {
		g.loaded = false
		if err := g.unload(); err != nil {
			return fmt.Errorf("stopping inboxgate: %w", err)
		}
	}
	if keep {
		return nil
	}
	// Caddy's last servers may still write a line to the log in there.
	err := os.RemoveAll(g.dir)
	for range 50 {
		if err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
		err = os.RemoveAll(g.dir)
	}
	return fmt.Errorf("removing the demo's directory: %w", err)
}

// unload stops Caddy and waits until the store is closed, which Caddy lets
// happen behind Stop's back, as at a reload.
func (g *demoGate) unload() error {
	st := g.storage()
	if err := caddy.Stop(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), while)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for g.storage() != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("deliveries were still running")
		}
	}
	if st == nil {
		return nil
	}
	return st.store.Close() // The second close waits for the first.
}
