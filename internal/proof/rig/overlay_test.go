package rig

import (
	"os/exec"
	"strings"
	"testing"
)

func TestOverlayChangesTheBinaryAlone(t *testing.T) {
	t.Parallel()
	set := []Replacement{
		{File: "verify/verify.go", Old: "v := &Verifier{now: time.Now}", New: "println(\"replaced once\")\n\tv := &Verifier{now: time.Now}"},
		{File: "verify/verify.go", Old: "println(\"replaced once\")", New: "println(\"replaced twice\")"},
	}
	t.Cleanup(func() {
		if err := RemoveOverlays(); err != nil {
			t.Error(err)
		}
	})
	bin := Overlay(t, set)
	if again := Overlay(t, set); again != bin {
		t.Errorf("built a second time: %s, %s", bin, again)
	}
	cmd := exec.Command(bin, "sign")
	cmd.Env = []string{"INBOX_WEBHOOK_SECRET=a secret of the overlay's test", "HOME=" + t.TempDir()}
	cmd.Stdin = strings.NewReader("{}")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if text := string(out); !strings.Contains(text, "replaced twice") || strings.Contains(text, "replaced once") {
		t.Errorf("it was not replaced, or only once: %s", out)
	}
}
