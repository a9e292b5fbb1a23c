package cli

import (
	"cmp"
	"runtime/debug"
)

// modulePath is the path of the module that this package is of.
const modulePath = "github.com/inboxgate/inboxgate"

// VersionOf returns inboxgate's version in a program that was built so, and the revision
// of its source if the build kept it. custom is the version that the linker set, as for an
// image, which is built without the repository; "" for none.
func VersionOf(info *debug.BuildInfo, custom string) string {
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
