package env

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHoldsPassword(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]bool{
		"postgres://inbox@db/inbox":                                false,
		"postgres://db/inbox":                                      false,
		"postgres:///inbox?host=/run/postgresql":                   false,
		"postgres://inbox:hunter2@db/inbox":                        true,
		"postgresql://inbox:h%40nter@db/inbox":                     true,
		"postgres://inbox:hun/ter#2@db:5432,b:5432/inbox":          true,
		"postgres://inbox:hun@ter@db/inbox":                        true,
		"postgres://inbox:%zz@db/inbox":                            true,
		"postgres://:hunter2@db/inbox":                             true,
		"postgres://inbox:@db/inbox":                               false,
		"postgres://inbox@a:5432,b:5432/inbox":                     false,
		"postgres://inbox@db/inbox?password=hunter2":               true,
		"postgres://inbox@db/inbox?sslmode=verify-full&password=h": true,
		"postgres://inbox@db/inbox?pass%77ord=hunter2":             true,
		"postgres://inbox@db/inbox?sslpassword=hunter2":            true,
		"postgres://inbox@db/inbox?passfile=/run/pgpass":           false,
		"host=db user=inbox password=hunter2":                      true,
		"host=db password = 'x y' user=inbox":                      true,
		"PASSWORD='hunter2' host=db":                               true,
		`password='it\'s' host=db`:                                 true,
		"password='unclosed host=db":                               true,
		"host=db password='' user=inbox":                           false,
		"host=db user=inbox passfile=/x":                           false,
		"{env.INBOX_DATABASE_URL}":                                 false,
		"{file./run/secrets/db}":                                   false,
		"postgres://inbox:{env.PGPASSWORD}@db/inbox":               false,
		"postgres://inbox:{file./run/secrets/db}@db:5432/inbox":    false,
		"postgres://inbox:x{env.PGPASSWORD}@db/inbox":              true,
		"host=db password={env.PGPASSWORD}":                        false,
		"postgres://{env.DBUSER}:hunter2@{env.DBHOST}/inbox":       true,
		"postgres://{env.DBUSER}@{env.DBHOST}/inbox":               false,
		"": false,
	} {
		if got := HoldsPassword(dsn); got != want {
			t.Errorf("%s: got %t, want %t", dsn, got, want)
		}
	}
}

func TestReadDatabaseURL(t *testing.T) {
	const dsn = "postgres://inbox:hunter2@db/inbox"
	file := filepath.Join(t.TempDir(), "url")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct{ value, file, text, want, err string }{
		"none":    {},
		"value":   {value: " " + dsn + "\n", want: dsn},
		"file":    {file: file, text: "\ufeff" + dsn + "\r\n", want: dsn},
		"both":    {value: dsn, file: file, text: dsn, err: "unset one of them"},
		"empty":   {file: file, text: " \n", err: "must hold one line"},
		"two":     {file: file, text: dsn + "\n" + dsn, err: "must hold one line"},
		"missing": {file: file + ".not", err: "reading INBOX_DATABASE_URL_FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			write(c.text)
			t.Setenv(DatabaseURL, c.value)
			t.Setenv(DatabaseURLFile, c.file)
			got, err := ReadDatabaseURL()
			if got != c.want || (err == nil) != (c.err == "") {
				t.Fatalf("got %q, %v", got, err)
			}
			if err != nil && (!strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("error is %v, want %q in it", err, c.err)
			}
		})
	}
}
