package e2e

import (
	"bytes"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
)

// TestImageARM64 runs the program of the image for arm64 on any processor: an
// event is taken and delivered, and known again after a stop. Where the
// processor is another one, QEMU stands for it.
func TestImageARM64(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds for another processor")
	}
	proctest.Needs(t, "make", "qemu-aarch64-static")
	dir, files := t.TempDir(), filepath.Join(t.TempDir(), "image")
	build := exec.CommandContext(t.Context(), "make", "image-files", "IMAGE_ARCH=arm64", "IMAGE_DIR="+files)
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building for arm64: %v\n%s", err, out)
	}
	app := testapp.New(t, nil)
	listen := proctest.FreeAddress(t)
	emulated := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "qemu-aarch64-static", append([]string{filepath.Join(files, "files", "inboxgate")}, args...)...)
		cmd.Dir = dir
		cmd.Env = proctest.Env(dir, "INBOX_WEBHOOK_SECRET="+newSecret, "INBOX_UPSTREAM="+app.Addr, "INBOX_LISTEN="+listen)
		return cmd
	}
	if code, out := run(t, emulated("environ")); code != 0 || !strings.Contains(out, "runtime.GOARCH=arm64") {
		t.Fatalf("not a program for arm64: exit code %d\n%s", code, out)
	}

	url, body := "http://"+listen+"/webhooks/inbox", sample(t)
	p := proctest.Start(t, emulated())
	p.Await(t, started, 1)
	wantPost(t, url, body, newSecret, http.StatusOK, "accepted")
	if d := app.Next(t); !bytes.Equal(d.Body, body) {
		t.Errorf("the app got %s", d.Body)
	}
	if code := p.Stop(t); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}

	p = proctest.Start(t, emulated())
	p.Await(t, started, 1)
	wantPost(t, url, body, newSecret, http.StatusOK, "duplicate")
	if code := p.Stop(t); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	if code, out := run(t, emulated("store", "check")); code != 0 || !strings.Contains(out, " is sound: 1 event") {
		t.Errorf("store check: exit code %d\n%s", code, out)
	}
	if left := app.Unread(); left != 0 {
		t.Errorf("%d deliveries too many", left)
	}
}
