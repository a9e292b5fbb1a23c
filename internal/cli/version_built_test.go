package cli

import (
	"runtime/debug"
	"testing"
)

// The version is that of inboxgate's module, in a program of its own and in a Caddy
// that is built with it, and says of what source it was made.
func TestVersion(t *testing.T) {
	t.Parallel()
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}, {Key: "vcs.modified", Value: modified}}
	}
	own := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Path: modulePath, Version: version}, Settings: settings}
	}
	inCaddy := own("(devel)", vcs("false")...)
	inCaddy.Main.Path, inCaddy.Deps = "caddy", []*debug.Module{{Path: "example.com/other", Version: "v9.0.0"}, {Path: modulePath, Version: "v1.2.3"}}
	replaced := own("(devel)")
	replaced.Main.Path, replaced.Deps = "caddy", []*debug.Module{{Path: modulePath, Version: "v1.2.3", Replace: &debug.Module{Path: "../inboxgate"}}}
	for name, c := range map[string]struct {
		info   *debug.BuildInfo
		custom string
		want   string
	}{
		"a release":            {own("v1.2.3", vcs("false")...), "", "v1.2.3, revision 0123456789ab"},
		"a changed tree":       {own("(devel)", vcs("true")...), "", "(devel), revision 0123456789ab, modified"},
		"go install":           {own("v1.2.3"), "", "v1.2.3"},
		"an image":             {own("(devel)"), "v1.2.3-4-g0123456", "v1.2.3-4-g0123456"},
		"in a Caddy":           {inCaddy, "", "v1.2.3"},
		"in a Caddy, replaced": {replaced, "", "v1.2.3, replaced by ../inboxgate"},
		"nothing known":        {own("(devel)"), "", "(devel)"},
		"no build info":        {nil, "", "unknown"},
	} {
		if got := VersionOf(c.info, c.custom); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
