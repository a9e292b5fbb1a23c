// Package xcaddy_test holds the Dockerfile to what go.mod says.
package xcaddy_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func text(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestDockerfileBuildsThisModule(t *testing.T) {
	t.Parallel()
	mod, docker := text(t, "../../go.mod"), text(t, "Dockerfile")
	module := regexp.MustCompile(`(?m)^module (\S+)$`).FindStringSubmatch(mod)[1]
	caddy := regexp.MustCompile(`(?m)^\tgithub.com/caddyserver/caddy/v2 v(\S+)$`).FindStringSubmatch(mod)[1]
	for _, want := range []string{
		"FROM docker.io/library/caddy:" + caddy + "-builder AS build\n",
		"FROM docker.io/library/caddy:" + caddy + "\n",
		"xcaddy build v" + caddy + " ",
		"--with " + module + "@${INBOXGATE_VERSION}\n",
		"\nUSER 65532:65532\n",
		"\nVOLUME /data\n",
		"http://127.0.0.1:9180/healthz",
	} {
		if !strings.Contains(docker, want) {
			t.Errorf("the Dockerfile lacks %q", want)
		}
	}
	if file := text(t, "Caddyfile"); !strings.Contains(file, "data_dir /data/inbox\n") || !strings.Contains(file, "\n:9180 {\n\tinbox_health\n") {
		t.Error("the Caddyfile is not that of the Dockerfile's volume and probe")
	}
}
