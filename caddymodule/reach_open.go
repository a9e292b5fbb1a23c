package caddymodule

import (
	"cmp"
	"net"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/env"
)

// openAdmin is where Caddy's own admin endpoint listens, if other machines reach
// it there, and else empty.
func openAdmin(ctx caddy.Context) string {
	listen, ok := adminListen(ctx)
	if !ok {
		return ""
	}
	if listen == "" {
		listen = caddy.DefaultAdminListen
	}
	listen, err := caddy.NewReplacer().ReplaceOrErr(listen, true, true)
	if err != nil {
		return "" // Caddy refuses it.
	}
	addr, err := caddy.ParseNetworkAddress(listen)
	if err != nil || addr.IsUnixNetwork() || addr.IsFdNetwork() || env.Loopback(addr.Host) {
		return ""
	}
	return listen
}

// adminAddress returns where a command on this machine reaches Caddy's admin
// endpoint: unix//path or host:port. It is empty where there is none, or none to dial.
func adminAddress(ctx caddy.Context) string {
	listen, ok := adminListen(ctx)
	if !ok {
		return ""
	}
	listen, err := caddy.NewReplacer().ReplaceOrErr(cmp.Or(listen, caddy.DefaultAdminListen), true, true)
	if err != nil {
		return "" // Caddy refuses it.
	}
	addr, err := caddy.ParseNetworkAddress(listen)
	switch {
	case err != nil || addr.IsFdNetwork():
		return ""
	case !addr.IsUnixNetwork():
		return net.JoinHostPort(env.DialHost(addr.Host), strconv.FormatUint(uint64(addr.StartPort), 10))
	}
	path, _, _ := strings.Cut(addr.Host, "|") // The mode of the socket.
	if path, err = filepath.Abs(path); err != nil {
		return ""
	}
	return "unix/" + path
}

// adminListen is what the configuration says of the admin endpoint; not ok where
// that is off. Caddy shows it to no module, so it is read as a debugger would; a
// Caddy that keeps it elsewhere ends the warning and nothing more.
func adminListen(ctx caddy.Context) (listen string, ok bool) {
	config := field(reflect.ValueOf(ctx), "cfg")
	if !config.IsValid() {
		return "", false
	}
	admin := field(config, "Admin")
	if !admin.IsValid() {
		return "", config.IsValid()
	}
	if off := field(admin, "Disabled"); off.IsValid() && off.Kind() == reflect.Bool && off.Bool() {
		return "", false
	}
	if l := field(admin, "Listen"); l.IsValid() && l.Kind() == reflect.String {
		return l.String(), true
	}
	return "", false
}

// field is a field of a struct with all pointers followed, invalid where there
// is none.
func field(v reflect.Value, name string) reflect.Value {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	v = v.FieldByName(name)
	for v.IsValid() && v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return v
}
