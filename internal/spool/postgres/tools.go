package postgres

import (
	"fmt"
	"net"
	"strings"
)

// Instead returns what the database's own tools do in place of one of our commands,
// "backup", "compact" or "check", with the command line, which has no password.
func (t Target) Instead(command string) string {
	at := shellWord(t.conninfo())
	line := map[string]string{
		"backup":  fmt.Sprintf("pg_dump --format=custom --schema=%s --file=inbox.dump %s", t.Schema, at),
		"compact": fmt.Sprintf("psql %s --command='VACUUM (ANALYZE)', and `VACUUM FULL` where the disk must have room back", at),
		"check":   fmt.Sprintf("pg_amcheck --schema=%s --heapallindexed --dbname=%s", t.Schema, at),
	}[command]
	return "this store is a PostgreSQL database, which has its own tools: use " + line
}

// conninfo returns the target as the tools of PostgreSQL take it, without a password.
func (t Target) conninfo() string {
	var hosts, ports []string
	for _, at := range t.Hosts {
		i := strings.LastIndex(at, ":") // A socket is a path and a port.
		host, port, err := net.SplitHostPort(at)
		if err != nil {
			host, port = at[:i], at[i+1:]
		}
		hosts, ports = append(hosts, host), append(ports, port)
	}
	text := fmt.Sprintf("host=%s port=%s dbname=%s", strings.Join(hosts, ","), strings.Join(ports, ","), value(t.Database))
	if t.User != "" {
		text += " user=" + value(t.User)
	}
	return text
}

// value quotes a value of a keyword where it needs that.
func value(s string) string {
	if s != "" && !strings.ContainsAny(s, ` '\\`) {
		return s
	}
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

// shellWord makes one word of a shell of s.
func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
