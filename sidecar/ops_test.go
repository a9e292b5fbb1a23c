package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/env"
)

func TestRoomForTheAdminSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "ops") //nolint:usetesting // Shorter than a test's own name makes it.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "taken.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there := filepath.Join(dir, "there")
	if err := os.Mkdir(there, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ data, admin, want string }{
		"a new directory":                     {data: filepath.Join(dir, "new", "data")},
		"one that is there":                   {data: there},
		"off":                                 {data: filepath.Join(dir, strings.Repeat("x", 200)), admin: "off"},
		"a port":                              {data: there, admin: "127.0.0.1:2019"},
		"a long path":                         {data: filepath.Join(dir, strings.Repeat("x", 100)), want: "103 are allowed: set INBOX_ADMIN to a shorter one"},
		"a long path, and a socket elsewhere": {data: filepath.Join(dir, strings.Repeat("x", 100)), admin: "unix/" + filepath.Join(dir, "a.sock")},
		"a bar":                               {data: filepath.Join(dir, "a|0777"), want: "holds a bar"},
		"a mode":                              {data: there, admin: "unix/" + filepath.Join(dir, "a.sock|0660")},
		"one that answers":                    {data: there, admin: "unix/" + filepath.Join(dir, "taken.sock"), want: "another inboxgate answers at"},
	} {
		s, _, err := readEnvironment([]string{"INBOX_UPSTREAM=app:3000", "INBOX_DATA_DIR=" + c.data, "INBOX_ADMIN=" + c.admin}, secretsAre(goodSecret))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s.Admin == "" {
			s.Admin = s.defaultAdmin()
		}
		err = s.makeRoom()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if c.want != "" {
			continue
		}
		if _, err := os.Stat(c.data); err != nil && c.admin == "" {
			t.Errorf("%s: there is no directory for the socket: %v", name, err)
		}
	}
}

// What other machines reach is told apart from what they do not.
func TestWhereOthersReachTheOperator(t *testing.T) {
	t.Parallel()
	const socket = "unix//data/caddy/inbox/admin.sock|0600"
	for value, open := range map[string]bool{
		"127.0.0.1:2019": false, "127.0.0.2:2019": false, "[::1]:2019": false, "localhost:2019": false, "[::ffff:127.0.0.1]:2019": false,
		":2019": true, "0.0.0.0:2019": true, "[::]:2019": true, "192.0.2.7:2019": true, "10.0.0.1:2019": true, "[fe80::1]:2019": true, "[::ffff:192.0.2.7]:2019": true,
	} {
		s, _, err := readEnvironment([]string{"INBOX_UPSTREAM=app:3000", "INBOX_ADMIN=" + value, env.AdminToken + "=a-token-of-the-tests"}, secretsAre(goodSecret))
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		text, err := s.caddyfile()
		if err != nil {
			t.Fatal(err)
		}
		admin, site := "admin "+quote(socket), "inbox_admin"
		if !open {
			admin = "admin " + value
		}
		if !strings.Contains(string(text), "\t"+admin+"\n") || strings.Contains(string(text), site) != open {
			t.Errorf("%s: want %q, and %s: %t:\n%s", value, admin, site, open, text)
		}
		_, _, err = readEnvironment([]string{"INBOX_UPSTREAM=app:3000", "INBOX_ADMIN=" + value}, secretsAre(goodSecret))
		if (err != nil) != open {
			t.Errorf("%s without a token: %v", value, err)
		}
	}
}
