package main

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"strings"
	"testing"
)

func encoded(t *testing.T, w, h int, at func(x, y int) color.RGBA) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	each(m.Bounds(), func(x, y int) { m.SetRGBA(x, y, at(x, y)) })
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The frequent colours stay exact, and the rare ones become ones near them.
func TestShrink(t *testing.T) {
	t.Parallel()
	paper, ink := color.RGBA{0xf6, 0xf7, 0xf8, 255}, color.RGBA{0x1c, 0x21, 0x26, 255}
	raw := encoded(t, width, height, func(x, y int) color.RGBA {
		switch {
		case y == 0: // A row of 1,280 colours near the paper's.
			return color.RGBA{paper.R - uint8(x%8), paper.G - uint8(x/8%32), paper.B - uint8(x/256), 255}
		case y%20 < 4 && x%3 == 0:
			return ink
		}
		return paper
	})
	small, err := shrink(raw)
	if err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	p, ok := got.(*image.Paletted)
	if !ok || len(p.Palette) > maxColors || p.Bounds().Size() != image.Pt(width, height) {
		t.Fatalf("%T of %v", got, got.Bounds())
	}
	if rgba(got.At(0, 20)) != ink || rgba(got.At(1, 20)) != paper {
		t.Errorf("ink and paper are %v and %v", got.At(0, 20), got.At(1, 20))
	}
	for x := range width {
		if c := rgba(got.At(x, 0)); c.R < paper.R-16 || c.G < paper.G-40 {
			t.Fatalf("a rare colour became %v", c)
		}
	}
}

func TestShrinkRefuses(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for says, raw := range map[string][]byte{
		"reading the picture": []byte("no picture"),
		"1280 by 799":         encoded(t, width, 799, func(int, int) color.RGBA { return color.RGBA{} }),
		"show less on it":     encoded(t, width, height, func(int, int) color.RGBA { return color.RGBA{uint8(r.IntN(256)), 0, 0, 255} }),
	} {
		if got, err := shrink(raw); err == nil || got != nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %q", err, says)
		}
	}
}

func TestFindBrowser(t *testing.T) {
	t.Parallel()
	none := func(string) (string, error) { return "", errors.New("not found") }
	if _, err := findBrowser(none); err == nil || !strings.Contains(err.Error(), "apt-get install chromium") {
		t.Errorf("without one: %v", err)
	}
	if b, err := findBrowser(func(name string) (string, error) {
		if name == "google-chrome" {
			return "/opt/chrome", nil
		}
		return none(name)
	}); err != nil || b != "/opt/chrome" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestReadScene(t *testing.T) {
	t.Parallel()
	var s scene
	err := s.read("story\n\n  Dashboard  http://127.0.0.1:1/  what\n  Desk       http://127.0.0.1:2/  what\nThe configuration:\n  /tmp/x/Caddyfile\n")
	if err != nil || s.dashboard != "http://127.0.0.1:1/" || s.desk != "http://127.0.0.1:2/" || s.operator == nil {
		t.Errorf("%+v, %v", s, err)
	}
	if err := new(scene).read("Desk http://127.0.0.1:2/\n"); err == nil || !strings.Contains(err.Error(), "reading the demonstration") {
		t.Errorf("of something else: %v", err)
	}
}

func rgba(c color.Color) color.RGBA { return color.RGBAModel.Convert(c).(color.RGBA) }
