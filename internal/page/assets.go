package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
)

//go:embed style.css
var style []byte

//go:embed page.js
var script []byte

//go:embed icon.svg
var icon []byte

// assetsAt begins the path of each file of this package.
const assetsAt = "/-/"

// asset is one file that pages load.
type asset struct {
	kind string // text/css and so on
	body []byte
}

// names leads from what a file is to its name, which changes with its content, so that
// browsers may keep it for ever. assets has the files by their names.
var names, assets = func() (map[string]string, map[string]asset) {
	names, assets := map[string]string{}, map[string]asset{}
	for what, a := range map[string]asset{
		"style":  {"text/css; charset=utf-8", style},
		"script": {"text/javascript; charset=utf-8", script},
		"icon":   {"image/svg+xml", icon},
	} {
		sum := sha256.Sum256(a.body)
		ending := map[string]string{"style": ".css", "script": ".js", "icon": ".svg"}[what]
		name := what + "-" + hex.EncodeToString(sum[:6]) + ending
		names[what], assets[name] = name, a
	}
	return names, assets
}()

// serveAsset answers with a file of this package.
func serveAsset(w http.ResponseWriter, r *http.Request, name string) {
	a, ok := assets[name]
	if !ok || !safe(r.Method) {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(a.body)
}
