package e2e

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// The pictures of the README exist, say in words what they show, are small, and have the
// size that `make pictures` gives them. There are no others.
func TestREADMEPictures(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]bool)
	for _, m := range regexp.MustCompile(`!\[([^\]]*)\]\(([^)]+)\)`).FindAllStringSubmatch(string(raw), -1) {
		words, name := m[1], m[2]
		if filepath.Dir(name) != "docs/pictures" {
			continue
		}
		shown[filepath.Base(name)] = true
		if len(words) < 40 {
			t.Errorf("%s has the words %q: say what one sees", name, words)
		}
	}
	if len(shown) < 2 {
		t.Fatalf("the README shows %v", shown)
	}
	files, err := os.ReadDir("../../docs/pictures")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !shown[f.Name()] {
			t.Errorf("nobody shows docs/pictures/%s", f.Name())
		}
		delete(shown, f.Name())
		picture(t, filepath.Join("../../docs/pictures", f.Name()))
	}
	for name := range shown {
		t.Errorf("the README shows docs/pictures/%s, which is not there: make pictures", name)
	}
}

// picture checks a picture's form and size.
func picture(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() >= 150_000 {
		t.Errorf("%s has %d bytes", name, info.Size())
	}
	m, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if size := m.Bounds().Size(); size != image.Pt(1280, 800) {
		t.Errorf("%s is %v", name, size)
	}
	if _, ok := m.(*image.Paletted); !ok {
		t.Errorf("%s is %T, and should have a palette", name, m)
	}
}
