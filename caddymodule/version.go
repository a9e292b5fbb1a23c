package caddymodule

import (
	"cmp"
	"runtime/debug"

	"github.com/caddyserver/caddy/v2"
)

// modulePath is the path of the module that this package is of.
const modulePath = "github.com/inboxgate/inboxgate"

// version returns inboxgate's version, and the revision of its source if the build
// kept it.
func version() string {
	info, _ := debug.ReadBuildInfo()
	return versionOf(info, caddy.CustomVersion)
}

// versions returns a line for inboxgate and one for the Caddy that it runs in.
func versions() string {
	_, full := caddy.Version()
	return "inboxgate " + version() + "\ncaddy " + full
}

// versionOf is version for a program that was built so. custom is the version that the
// linker set, as for an image, which is built without the repository; "" for none.
func versionOf(info *debug.BuildInfo, custom string) string {
	if info == nil {
		return cmp.Or(custom, "unknown")
	}
	if info.Main.Path != modulePath {
		// The revision is of the program around us.
		for _, d := range info.Deps {
			if d.Path != modulePath {
				continue
			}
			if d.Replace != nil {
				return d.Version + ", replaced by " + d.Replace.Path
			}
			return d.Version
		}
	}
	text := cmp.Or(custom, info.Main.Version)
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			text += ", revision " + s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			text += ", modified"
		}
	}
	return text
}
