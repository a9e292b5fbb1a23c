package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"slices"
)

const (
	maxBytes  = 150_000
	maxColors = 256
)

// shrink returns a PNG with a palette of its most frequent colours: a page has few, and
// the rest are edges of letters.
func shrink(raw []byte) ([]byte, error) {
	from, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading the picture: %w", err)
	}
	if size := from.Bounds().Size(); size != image.Pt(width, height) {
		return nil, fmt.Errorf("the picture is %d by %d, and not %d by %d", size.X, size.Y, width, height)
	}
	to := withPalette(from)
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, to); err != nil {
		return nil, fmt.Errorf("writing the picture: %w", err)
	}
	if b.Len() >= maxBytes {
		return nil, fmt.Errorf("the picture has %d bytes, and may have %d: show less on it", b.Len(), maxBytes)
	}
	return b.Bytes(), nil
}

// withPalette returns the picture in at most maxColors colours.
func withPalette(from image.Image) *image.Paletted {
	area := from.Bounds()
	whole := image.NewRGBA(area)
	draw.Draw(whole, area, from, area.Min, draw.Src)
	seen := make(map[color.RGBA]int)
	each(area, func(x, y int) { seen[whole.RGBAAt(x, y)]++ })
	colors := slices.SortedFunc(maps.Keys(seen), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(seen[b], seen[a]), cmp.Compare(number(a), number(b)))
	})
	var palette color.Palette
	for _, c := range colors[:min(len(colors), maxColors)] {
		palette = append(palette, c)
	}
	index := make(map[color.RGBA]uint8, len(colors))
	for _, c := range colors {
		index[c] = uint8(palette.Index(c)) //nolint:gosec // There are at most 256.
	}
	to := image.NewPaletted(area, palette)
	each(area, func(x, y int) { to.SetColorIndex(x, y, index[whole.RGBAAt(x, y)]) })
	return to
}

func each(area image.Rectangle, f func(x, y int)) {
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			f(x, y)
		}
	}
}

func number(c color.RGBA) uint32 {
	return uint32(c.R)<<24 | uint32(c.G)<<16 | uint32(c.B)<<8 | uint32(c.A)
}
