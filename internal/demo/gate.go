package demo

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
	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/instance"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

// gate is inboxgate in this process.
type gate struct {
	dir        string // holds all files, and the socket if its path is short enough
	host, port string // where it listens; host is empty for every interface
	url        string // of the webhook
	secretFile string // the webhook's secret
	keyFile    string // the key of the platform's API, for the user
	logFile    string // Caddy's log
	store      string // the data directory
	socket     string // of the operator's API
	socketDir  string // holds the socket alone, "" if it is in dir
	operator   *control.Client
	loaded     bool   // Caddy runs the configuration
	withdraw   func() // removes the pointer for commands, nil if there is none
}

// schedule is when inboxgate tries again here. The usual one takes hours.
const (
	schedule = "2s 5s 10s"
	explains = "Here inboxgate tries again 2, 5 and 10 s after a failure; an event that fails four times is a dead letter, 17 s after it came."
)

// webhookPath is where inboxgate takes events.
const webhookPath = "/webhooks/inbox"

// newGate chooses where inboxgate will be, and starts nothing yet.
func newGate(listen string) (*gate, error) {
	host, port, err := freeAddress(listen)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "inboxgate-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the demo: %w", err)
	}
	socket, socketDir, err := newSocket(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	operator, err := control.NewClient("unix/"+socket, "")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &gate{
		dir: dir, socket: socket, socketDir: socketDir, operator: operator, host: host, port: port,
		url:        "http://" + net.JoinHostPort(env.DialHost(host), port) + webhookPath,
		secretFile: filepath.Join(dir, "secret"),
		keyFile:    filepath.Join(dir, "api-key"),
		logFile:    filepath.Join(dir, "caddy.log"),
		store:      filepath.Join(dir, "store"),
	}, nil
}

// start writes the files and has Caddy run inboxgate. app and onCall are the addresses
// of the receivers.
func (g *gate) start(secret, key, app, onCall string) error {
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

// maxSocket is what the kernels allow the path of a socket, less a margin.
const maxSocket = 100

// newSocket returns where the operator's API is to be: in dir, or in a directory of
// its own, own, where the path would be too long for a socket.
func newSocket(dir string) (socket, own string, err error) {
	if socket = filepath.Join(dir, env.AdminSocket); len(socket) < maxSocket {
		return socket, "", nil
	}
	own, err = os.MkdirTemp("/tmp", "inboxgate-")
	if err != nil {
		return "", "", fmt.Errorf("making a directory for the demo's socket: %w: set TMPDIR to a directory with a shorter name", err)
	}
	return filepath.Join(own, env.AdminSocket), own, nil
}

// announce leaves a pointer by which the commands beside the demo find it. If none can
// be left they need --admin.
func (g *gate) announce() {
	dir, err := env.CanonicalDir(g.store)
	if err == nil {
		g.withdraw, err = instance.Announce(instance.Pointer{Admin: "unix/" + g.socket, DataDir: dir, Started: time.Now().UTC()}, instance.Directories())
	}
	if err != nil {
		g.withdraw = nil
	}
}

// freeAddress returns listen with a free port for port 0. It refuses one that is taken,
// which Caddy would share with another Caddy of this user.
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

// caddyfile returns the configuration: what a user would write, and what keeps the
// demo from touching anything outside its directory.
func (g *gate) caddyfile(host, port, app, onCall string) []byte {
	bind := ""
	if host != "" {
		bind = "\tbind " + host + "\n"
	}
	admin := fmt.Sprintf(`"unix/%s|0600"`, g.socket)
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
			retry %[11]s
		}
		on message.failed http://%[9]s/alerts {
			name on-call
			retry %[11]s
		}
	}
}
`, filepath.Join(g.dir, "caddy"), g.logFile, g.store, port, bind, webhookPath, g.secretFile, app, onCall, admin, schedule)
}

// load has Caddy run the configuration.
func (g *gate) load(caddyfile []byte) error {
	json, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(caddyfile, map[string]any{"filename": filepath.Join(g.dir, "Caddyfile")})
	if err != nil {
		return fmt.Errorf("reading the demo's Caddyfile: %w", err)
	}
	// Caddy writes to its old log, which is the terminal, where the new one is. What
	// goes wrong is returned as an error as well.
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

// routes asks inboxgate how its routes are, and returns them by name.
func (g *gate) routes(ctx context.Context) (map[string]control.Route, error) {
	all, err := g.operator.Routes(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking for the routes: %w", err)
	}
	byName := make(map[string]control.Route)
	for _, r := range all {
		byName[r.Route] = r
	}
	return byName, nil
}

// await asks for the routes until they are as wanted.
func (g *gate) await(ctx context.Context, wanted func(map[string]control.Route) bool) error {
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
			return errors.Join(errors.New("the routes did not get there in time"), err)
		}
	}
}

// close stops inboxgate and removes its directory unless it is to be kept.
func (g *gate) close(keep bool) error {
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
	if g.socketDir != "" {
		if err := os.RemoveAll(g.socketDir); err != nil {
			return fmt.Errorf("removing the socket's directory: %w", err)
		}
	}
	if keep {
		return nil
	}
	// The last of Caddy's servers may still write a line to the log in there.
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

// unload stops Caddy and waits until the store is closed, which happens after
// Stop has returned, as at a reload.
func (g *gate) unload() error {
	if err := caddy.Stop(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), while)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		still, err := sqlite.OpenOffline(g.store)
		if err == nil {
			still.Close()
			return nil
		}
		if !errors.Is(err, sqlite.ErrInUse) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("deliveries were still running")
		}
	}
}
