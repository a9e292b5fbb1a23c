package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/verify"
)

const goodSecret = "a secret of the tests"

func secretsAre(secrets ...string) func() ([]string, error) {
	return func() ([]string, error) { return secrets, nil }
}

func TestOneMistakeIsToldWithItsFix(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ env, want string }{
		{"INBOX_UPSTREAM=app", "INBOX_UPSTREAM: 'app' has no port: write it as app:3000"},
		{"INBOX_UPSTREAM=3000", "INBOX_UPSTREAM: '3000' is a port without a host: write it as 127.0.0.1:3000"},
		{"INBOX_UPSTREAM=app:3000,3001", "INBOX_UPSTREAM: '3001' is a port without a host: write it as 127.0.0.1:3001"},
		{"INBOX_UPSTREAM_MESSAGE_READ=3000", "INBOX_UPSTREAM_MESSAGE_READ: '3000' is a port without a host: write it as 127.0.0.1:3000"},
		{"INBOX_UPSTREAM=::1:3000", "INBOX_UPSTREAM: upstream '::1:3000' is an IPv6 address without brackets: write it as [::1]:3000"},
		{"INBOX_UPSTREAM=::1", "INBOX_UPSTREAM: upstream '::1' is an IPv6 address without brackets: write it as [::1]:3000"},
		{"INBOX_UPSTREAM=[::1]", "INBOX_UPSTREAM: upstream '[::1]' has no port: write it as [::1]:3000"},
		{"INBOX_UPSTREAM=fe80::1%eth0:3000", "INBOX_UPSTREAM: upstream 'fe80::1%eth0:3000' is an IPv6 address without brackets: write it as [fe80::1%eth0]:3000"},
		{"INBOX_UPSTREAM=http://[fe80::1%eth0]:3000", "INBOX_UPSTREAM: upstream 'http://[fe80::1%eth0]:3000' is no URL: write it as http://[fe80::1%25eth0]:3000"},
		{"INBOX_UPSTREAM=http://::1:3000/hooks", "INBOX_UPSTREAM: upstream 'http://::1:3000/hooks' is an IPv6 address without brackets: write it as http://[::1]:3000/hooks"},
		{"INBOX_UPSTREAM=app:", "INBOX_UPSTREAM: upstream 'app:' has no port: write it as app:3000"},
		{"INBOX_UPSTREAM=:3000", "INBOX_UPSTREAM: upstream ':3000' has no host: write it as 127.0.0.1:3000"},
		{"INBOX_UPSTREAM=http://:3000", "INBOX_UPSTREAM: upstream 'http://:3000' has no host: write it as http://127.0.0.1:3000"},
		{"INBOX_UPSTREAM=app:80:3000", "INBOX_UPSTREAM: upstream 'app:80:3000' has two ports: write it as app:3000"},
		{"INBOX_UPSTREAM=app/hooks", "INBOX_UPSTREAM: upstream 'app/hooks' has a path and no scheme: write it as http://app:3000/hooks"},
		{"INBOX_UPSTREAM=app:3000/hooks", "INBOX_UPSTREAM: upstream 'app:3000/hooks' has a path and no scheme: write it as http://app:3000/hooks"},
		{"INBOX_UPSTREAM=http:/app:3000", "INBOX_UPSTREAM: upstream 'http:/app:3000' is no URL: write it as http://app:3000"},
		{"INBOX_UPSTREAM=http//app:3000", "INBOX_UPSTREAM: upstream 'http//app:3000' is no URL: write it as http://app:3000"},
		{"INBOX_UPSTREAM=http:app:3000", "INBOX_UPSTREAM: upstream 'http:app:3000' is no URL: write it as http://app:3000"},
		{"INBOX_UPSTREAM=http:///app:3000", "INBOX_UPSTREAM: upstream 'http:///app:3000' is no URL: write it as http://app:3000"},
		{"INBOX_UPSTREAM=htpp://app:3000", "INBOX_UPSTREAM: upstream 'htpp://app:3000' has the scheme htpp: use http, https or h2c, for example http://app:3000"},
		{"INBOX_UPSTREAM=unix:/run/app.sock", "INBOX_UPSTREAM: upstream 'unix:/run/app.sock' is a socket: write it as unix//run/app.sock"},
		{"INBOX_UPSTREAM=unix:///run/app.sock", "INBOX_UPSTREAM: upstream 'unix:///run/app.sock' is a socket: write it as unix//run/app.sock"},
		{"INBOX_UPSTREAM=/run/app.sock", "INBOX_UPSTREAM: upstream '/run/app.sock' is a socket: write it as unix//run/app.sock"},
		{"INBOX_UPSTREAM=INBOX_UPSTREAM=app:3000", "INBOX_UPSTREAM: upstream 'INBOX_UPSTREAM=app:3000' is no address: write it as app:3000"},
		{"INBOX_UPSTREAM=user@app:3000", "INBOX_UPSTREAM: upstream 'user@app:3000' is no address: write it as app:3000"},
		{"INBOX_UPSTREAM=app:http", "INBOX_UPSTREAM: upstream 'app:http' has the port http: use a number from 1 to 65535"},
		{"INBOX_TRUSTED_PROXIES=10.0.0.0/33", "INBOX_TRUSTED_PROXIES: '10.0.0.0/33' is no network: write 10.0.0.0/8, 192.0.2.7, or private_ranges for all that are not of the internet"},
		{"INBOX_TRUSTED_PROXIES=loadbalancer", "INBOX_TRUSTED_PROXIES: 'loadbalancer' is no network: write 10.0.0.0/8, 192.0.2.7, or private_ranges for all that are not of the internet"},
		{"INBOX_UPSTREAM=,", "INBOX_UPSTREAM: it holds nothing but commas: give a value, or unset it"},
		{"INBOX_UPSTREAM=ftp://app:21", "INBOX_UPSTREAM: upstream 'ftp://app:21' has the scheme ftp: use http, https or h2c, for example http://app:21"},
		{"INBOX_UPSTREAM=app:3000 {env.HOME}:1", "INBOX_UPSTREAM: it holds {, which no variable can: mount a Caddyfile for that"},
		{"INBOX_LISTEN=8080", "INBOX_LISTEN: '8080' is a port without its colon: write it as :8080"},
		{"INBOX_LISTEN=80x", "INBOX_LISTEN: '80x' looks like a port that is mistyped: write a port as :8080, a host name as hooks.example.com"},
		{"INBOX_LISTEN=o8080", "INBOX_LISTEN: 'o8080' looks like a port that is mistyped: write a port as :8080, a host name as hooks.example.com"},
		{"INBOX_LISTEN=127.0.0:8080", "INBOX_LISTEN: '127.0.0:8080' is no address: write one as :8080, 127.0.0.1:8080 or hooks.example.com"},
		{"INBOX_LISTEN=127.0.0.1", "INBOX_LISTEN: '127.0.0.1' has no port: write it as :8080"},
		{"INBOX_LISTEN=:443", "INBOX_LISTEN: HTTPS needs a host name for its certificate: write it as hooks.example.com"},
		{"INBOX_LISTEN=https://:8443", "INBOX_LISTEN: HTTPS needs a host name for its certificate: write it as hooks.example.com"},
		{"INBOX_LISTEN=:99999", "INBOX_LISTEN: ':99999' is no address: write one as :8080, 127.0.0.1:8080 or hooks.example.com"},
		{"INBOX_LISTEN=a.example.com,b.example.com", "INBOX_LISTEN: 'a.example.com,b.example.com' is no address: write one as :8080, 127.0.0.1:8080 or hooks.example.com"},
		{"INBOX_LISTEN=tcp://:80", "INBOX_LISTEN: 'tcp' is no scheme to listen with: leave it out, or write http or https"},
		{"INBOX_LISTEN=*.example.com", "INBOX_LISTEN: '*.example.com' is no address: write one as :8080, 127.0.0.1:8080 or hooks.example.com"},
		{"INBOX_LISTEN=::1:8080", "INBOX_LISTEN: '::1:8080' is an IPv6 address without brackets: write it as [::1]:8080"},
		{"INBOX_LISTEN=::", "INBOX_LISTEN: '::' is an IPv6 address without brackets: write it as [::]:8080"},
		{"INBOX_LISTEN=unix//run/in.sock", "INBOX_LISTEN: 'unix//run/in.sock' is no address: write one as :8080, 127.0.0.1:8080 or hooks.example.com"},
		{"INBOX_OPS_LISTEN=::1:9180", "INBOX_OPS_LISTEN: '::1:9180' is an IPv6 address without brackets: write it as [::1]:9180"},
		{"INBOX_OPS_LISTEN=9180", "INBOX_OPS_LISTEN: '9180' is a port without its colon: write it as :9180"},
		{"INBOX_ADMIN=::1:2019", "INBOX_ADMIN: '::1:2019' is an IPv6 address without brackets: write it as [::1]:2019"},
		{"INBOX_ADMIN=/run/inboxgate.sock", "INBOX_ADMIN: '/run/inboxgate.sock' is a socket: write it as unix//run/inboxgate.sock"},
		{"INBOX_ADMIN=unix:/run/inboxgate.sock", "INBOX_ADMIN: 'unix:/run/inboxgate.sock' is a socket: write it as unix//run/inboxgate.sock"},
		{"INBOX_ADMIN=unix:///run/inboxgate.sock", "INBOX_ADMIN: 'unix:///run/inboxgate.sock' is a socket: write it as unix//run/inboxgate.sock"},
		{"INBOX_ADMIN=http://127.0.0.1:2019", "INBOX_ADMIN: 'http://127.0.0.1:2019' has the scheme http: leave it out, as in 127.0.0.1:2019"},
		{"INBOX_PATH=webhooks", "INBOX_PATH: it must be one path that begins with a slash, for example /webhooks/inbox"},
		{"INBOX_PATH=/a*", "INBOX_PATH: it must be one path that begins with a slash, for example /webhooks/inbox"},
		{"INBOX_RETRY_SCHEDULE=30", "INBOX_RETRY_SCHEDULE: retry '30' is no duration: write the delays as 30s 2m 8m"},
		{"INBOX_RATE=50/s", "INBOX_RATE: rate '50/s' is no number: it is the attempts a second, without a unit; write it as rate 50"},
		{"INBOX_RATE=50,0", "INBOX_RATE: the burst '0' of rate is no number from 1 on: write it as rate 50 10"},
		{"INBOX_RATE=NaN", "INBOX_RATE: rate is NaN: give the attempts a second as 50, from 0.001 to 1000000, or leave rate out for no bound"},
		{"INBOX_ORDER=data.message_id", "INBOX_ORDER: order 'data.message_id' is a path: it takes the name of a member of data alone, write it as order message_id"},
		{"INBOX_ORDER=message id", "INBOX_ORDER: order 'message id' is no name: it takes that of one member of data itself, as order message_id"},
		{"INBOX_TIMEOUT=13", "INBOX_TIMEOUT: timeout '13' is no duration: write it as 10s, 5m or 3d"},
		{"INBOX_MAX_IN_FLIGHT=0", "INBOX_MAX_IN_FLIGHT: max_in_flight '0' is no number from 1 on: write it as 32"},
		{"INBOX_WINDOW=1h", "INBOX_WINDOW: window is 1h0m0s: give at least 4h, because the platform's retries span 2 h 42 m 30 s"},
		{"INBOX_WINDOW=24", "INBOX_WINDOW: window '24' is no duration: write it as 10s, 5m or 3d"},
		{"INBOX_RETENTION=3s", "INBOX_RETENTION: retention is 3s: give at least 1m, for example 72h"},
		{"INBOX_MAX_SIZE=much", "INBOX_MAX_SIZE: max_size 'much' is no size: write it as 1MiB or 10GiB"},
		{"INBOX_ADMIN=0.0.0.0:2019", "INBOX_ADMIN: other machines reach '0.0.0.0:2019', and there is no token that they must show: set INBOX_ADMIN_TOKEN to, for example, the output of `openssl rand -hex 24`, or choose 127.0.0.1:2019 or a socket"},
		{"INBOX_DATABASE_URL=db.example.com", "INBOX_DATABASE_URL: the database's URL cannot be read: it is to be like postgres://user:password@host:5432/database?sslmode=verify-full, with special characters of the password written as %XX"},
		{"INBOX_DATABASE_URL=postgres://inbox:hunter2@db:hunter2/inbox", "INBOX_DATABASE_URL: the database's URL cannot be read: it is to be like postgres://user:password@host:5432/database?sslmode=verify-full, with special characters of the password written as %XX"},
		{"INBOX_DATABASE_URL_FILE=/no/such/file", "INBOX_DATABASE_URL_FILE: stat /no/such/file: no such file or directory: set it to the path of a file that inboxgate may read"},
		{"INBOX_DATABASE_DURABILITY=replica", "INBOX_DATABASE_DURABILITY: it is for a store in a database, and none is named: set INBOX_DATABASE_URL, or unset it"},
		{"INBOX_DATABASE_DURABILITY=repilca", "INBOX_DATABASE_DURABILITY: durability 'repilca' is unknown; did you mean 'replica'?"},
		{"INBOX_DATABASE_BATCHES=3", "INBOX_DATABASE_BATCHES: batches is 3: write 1, or 2 where commits wait for a network"},
		{"INBOX_MEMBER_NAME=gate 1", "INBOX_MEMBER_NAME: name \"gate 1\" holds a space or a byte that is no ASCII: use letters, digits, `-` and `.`"},
		{"INBOX_DATA_DIR=/data\nadmin :2019", "INBOX_DATA_DIR: it holds a control character or a line break, or is no UTF-8: remove it"},
	} {
		environ := []string{c.env}
		if !strings.HasPrefix(c.env, env.Upstream) {
			environ = append(environ, "INBOX_UPSTREAM=app:3000")
		}
		_, _, err := readEnvironment(environ, secretsAre(goodSecret))
		if err == nil {
			t.Errorf("%q was taken", c.env)
			continue
		}
		if err.Error() != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.env, err, c.want)
		}
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	noSecret := errors.New("no secret: set one")
	_, _, err := readEnvironment([]string{"INBOX_LISTEN=8080", "INBOX_PATH=x", "INBOX_WINDOW=x", "INBOX_UPSTREAM="},
		func() ([]string, error) { return nil, noSecret })
	all := mistakes(err)
	if len(all) != 5 || !errors.Is(all[0], noSecret) {
		t.Fatalf("got %d mistakes: %v", len(all), err)
	}
	for i, want := range []string{"no secret", "INBOX_LISTEN", "INBOX_PATH", "INBOX_WINDOW", "set INBOX_UPSTREAM"} {
		if !strings.Contains(all[i].Error(), want) {
			t.Errorf("mistake %d is %q, want one about %s", i, all[i], want)
		}
	}
	text := complaint(nil, err)
	for _, m := range all {
		if !strings.Contains(text, "  - "+m.Error()+"\n") {
			t.Errorf("%q is not told:\n%s", m, text)
		}
	}
}

func TestShortSecretIsRefusedAndNotShown(t *testing.T) {
	t.Parallel()
	if env.MinSecret != verify.MinSecret {
		t.Fatalf("secrets need %d bytes here and %d in verify", env.MinSecret, verify.MinSecret)
	}
	const short = "fifteen bytes!!"
	_, _, err := readEnvironment([]string{"INBOX_UPSTREAM=app:3000"}, secretsAre(goodSecret, short, "x"))
	if err == nil {
		t.Fatal("short secrets were taken")
	}
	for _, want := range []string{"secret 2 of 3 has 15 bytes", "secret 3 of 3 has 1 bytes", "at least 16"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %q", want, err)
		}
	}
	if strings.Contains(err.Error(), short) {
		t.Errorf("the secret is shown: %q", err)
	}
}

func TestNearMissesAreTold(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"INBOX_SECRET":             "INBOX_WEBHOOK_SECRET",
		"INBOX_SECRET_FILE":        "INBOX_WEBHOOK_SECRET_FILE",
		"INBOX_WEBHOOK_SECRETS":    "INBOX_WEBHOOK_SECRET",
		"INBOX_WEBHOOK_SECRET_OLD": "INBOX_WEBHOOK_SECRET",
		"INBOX_UPSTREAMS":          "INBOX_UPSTREAM",
		"INBOX_DASHBORD":           "INBOX_DASHBOARD",
		"INBOX_DASHBOARD_LISTEN":   "INBOX_DASHBOARD",
		"INBOX_DASHBOARD_PASSWORD": "INBOX_DASHBOARD_PASSWORD_HASH",
		"INBOX_DASHBOARD_USERS":    "INBOX_DASHBOARD_USER",
		"INBOX_DASHBOARD_ACTION":   "INBOX_DASHBOARD_ACTIONS",
		"INBOX_UPSTRAEM":           "INBOX_UPSTREAM",
		"INBOX_UPSTREAM_URL":       "INBOX_UPSTREAM",
		"INBOX_UPSTREAM_FAILED":    "INBOX_UPSTREAM_MESSAGE_FAILED",
		"INBOX_LISTEN_ADDRESS":     "INBOX_LISTEN",
		"INBOX_TRUSTED_PROXY":      "INBOX_TRUSTED_PROXIES",

		"INBOX_UPSTREAM_MESSAGE_FAIL":     "INBOX_UPSTREAM_MESSAGE_FAILED",
		"INBOX_UPSTREAM_MESSAGE_DELIVERY": "INBOX_UPSTREAM_MESSAGE_DELIVERED",
		"INBOX_UPSTREAM_MESSAGE_REED":     "INBOX_UPSTREAM_MESSAGE_READ",
		"INBOX_UPSTREAM_MESSAGE_ACTIONS":  "INBOX_UPSTREAM_MESSAGE_ACTION",
		"INBOX_UPSTREAM_MESSAGES_FAILED":  "INBOX_UPSTREAM_MESSAGE_FAILED",
		"INBOX_PORT":                      "INBOX_LISTEN",
		"INBOX_DATADIR":                   "INBOX_DATA_DIR",
		"INBOX_RETRY":                     "INBOX_RETRY_SCHEDULE",
		"INBOX_DEDUPE_WINDOW":             "INBOX_WINDOW",
		"INBOX_WEBHOOK_PATH":              "INBOX_PATH",
	} {
		got := strays(map[string]string{name: "x"})
		if len(got) != 1 || !strings.HasSuffix(got[0], "did you mean "+want+"?") {
			t.Errorf("%s: %q, want %s", name, got, want)
		}
	}
	for name, value := range map[string]string{
		"INBOX_API_KEY":                    "x",
		"INBOX_PORT":                       "tcp://10.0.0.1:80", // Kubernetes, for a service named inbox.
		"INBOX_SERVICE_HOST":               "10.0.0.1",
		"INBOX_UPSTREAM_MESSAGE_DELIVERED": "app:3000",
		"INBOX_WEBHOOK_SECRET_FILE":        "/run/secrets/inbox",
		"INBOXES":                          "x",
		"OTHER_UPSTREAM":                   "x",
	} {
		if got := strays(map[string]string{name: value}); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestTypesWithoutAnAppAreTold(t *testing.T) {
	t.Parallel()
	_, warnings, err := readEnvironment([]string{"INBOX_UPSTREAM_MESSAGE_READ=a:1", "INBOX_UPSTREAM_MESSAGE_FAILED=b:1"}, secretsAre(goodSecret))
	if err != nil {
		t.Fatal(err)
	}
	want := "neither INBOX_UPSTREAM nor INBOX_UPSTREAM_MESSAGE_DELIVERED, INBOX_UPSTREAM_MESSAGE_ACTION is set: such events are stored, and go to no app"
	if !slices.Equal(warnings, []string{want}) {
		t.Errorf("warnings are %q", warnings)
	}
	_, warnings, err = readEnvironment([]string{"INBOX_UPSTREAM=a:1", "INBOX_UPSTREAM_MESSAGE_FAILED=b:1"}, secretsAre(goodSecret))
	if err != nil || len(warnings) > 0 {
		t.Errorf("with a default: %q, %v", warnings, err)
	}
}

func TestHelpNamesEveryVariable(t *testing.T) {
	t.Parallel()
	text := description()
	for _, name := range names() {
		if !strings.Contains(text, "  "+name+" ") {
			t.Errorf("%s is not in the help text", name)
		}
	}
	for line := range strings.Lines(text) {
		if len([]rune(line)) > 101 {
			t.Errorf("a line of the help text is too long: %q", line)
		}
	}
}
