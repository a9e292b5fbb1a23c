package rig

import (
	"os/exec"
	"strings"
	"testing"
)

func TestOverlayChangesTheBinaryAlone(t *testing.T) {
	t.Parallel()
	set := []Replacement{
		{"verify/verify.go", "v := &Verifier{now: time.Now}", "println(\"replaced once\")\n\tv := &Verifier{now: time.Now}"},
		{"verify/verify.go", "println(\"replaced once\")", "println(\"replaced twice\")"},
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

func TestReplacementsThatDoNotMatch(t *testing.T) {
	t.Parallel()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]Replacement{
		"nowhere":  {"verify/verify.go", "no such words", "x"},
		"twice":    {"verify/verify.go", "return", "x"},
		"empty":    {"verify/verify.go", "", "x"},
		"no file":  {"verify/nothing.go", "x", "y"},
		"in turn":  {"verify/verify.go", "func New(", "func Old("},
		"no match": {"verify/verify.go", "now: time.Now }", "x"},
	} {
		set := []Replacement{r}
		if name == "in turn" {
			set = append(set, r) // The first takes away what the second looks for.
		}
		if texts, err := replace(root, set); err == nil {
			t.Errorf("%s: no error, %d files", name, len(texts))
		}
	}
}
