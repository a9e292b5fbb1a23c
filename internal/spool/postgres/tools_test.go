package postgres

import (
	"strings"
	"testing"
)

// The command lines are whole, for a network and for a socket, and whatever is in a name.
func TestInstead(t *testing.T) {
	t.Parallel()
	network := Target{Hosts: []string{"db:5432", "[::1]:5433"}, Database: "in box", User: "o'neill", Schema: "gate"}
	socket := Target{Hosts: []string{"/run/postgresql:5432"}, Database: "inbox", Schema: "inboxgate"}
	for _, c := range []struct{ got, want string }{
		{network.Instead("backup"), `use pg_dump --format=custom --schema=gate --file=inbox.dump 'host=db,::1 port=5432,5433 dbname='\''in box'\'' user='\''o\'\''neill'\'''`},
		{socket.Instead("backup"), `use pg_dump --format=custom --schema=inboxgate --file=inbox.dump 'host=/run/postgresql port=5432 dbname=inbox'`},
		{socket.Instead("compact"), `use psql 'host=/run/postgresql port=5432 dbname=inbox' --command='VACUUM (ANALYZE)'`},
		{socket.Instead("check"), `use pg_amcheck --schema=inboxgate --heapallindexed --dbname='host=/run/postgresql port=5432 dbname=inbox'`},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("got %s\nwant %s", c.got, c.want)
		}
	}
}

// No command line has the password of the DSN.
func TestInsteadHasNoPassword(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{"postgres://inbox:hunter2@db/inbox", "host=db dbname=inbox password='hunter2'", "postgres://db/inbox?user=inbox&password=hunter2"} {
		target, err := ParseTarget(dsn)
		if err != nil {
			t.Fatal(err)
		}
		if text := target.Instead("backup") + target.String() + target.Key(); strings.Contains(text, "hunter2") {
			t.Errorf("%s: the password is in %s", dsn, text)
		}
	}
}
