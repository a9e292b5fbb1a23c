package caddymodule_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/inboxgate/inboxgate/caddymodule"
)

// FuzzCaddyfile gives the block of inbox_webhook anything at all. It adapts to
// a configuration that our types read back without loss and that adapts the
// same again, or its error names file and line.
func FuzzCaddyfile(f *testing.F) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		input, _, _ := strings.Cut(string(raw), divider)
		if _, block, ok := strings.Cut(input, "inbox_webhook"); ok {
			block, _, _ = strings.Cut(block, "\n}\n") // The site's end.
			f.Add(block, true)
		}
		if _, block, ok := strings.Cut(input, "inbox {"); ok {
			block, _, _ = strings.Cut(block, "}")
			f.Add(block, false)
		}
	}
	f.Fuzz(func(t *testing.T, block string, site bool) {
		// What reads files or the environment is Caddy's and not in question.
		if strings.Contains(block, "import") || strings.Contains(block, "{$") || !closed(block) {
			return
		}
		text := "{\n\tinbox {\n" + block + "\n\t}\n}\n:80 {\n\tinbox_webhook app:1\n}\n"
		if site {
			text = ":80 {\n\tinbox_webhook " + block + "\n}\n"
		}
		adapter := caddyconfig.GetAdapter("caddyfile")
		config, _, err := adapter.Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
		if err != nil {
			// Caddy itself names none for a matcher, nor always inside handle, and
			// its lexer names it in words.
			if !strings.Contains(err.Error(), "Caddyfile:") && !strings.Contains(err.Error(), "line #") &&
				!strings.Contains(block, "handle") && !strings.Contains(err.Error(), "matcher") {
				t.Errorf("the error names no line: %v", err)
			}
			return
		}
		again, _, err := adapter.Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
		if err != nil || string(again) != string(config) {
			t.Errorf("adapted twice, differently: %v\n%s\n%s", err, config, again)
		}
		checkHandlers(t, config)
	})
}

// closed tells whether the block closes no brace but its own: what stands
// behind such a one is another site, or Caddy's options.
func closed(block string) bool {
	tokens, err := caddyfile.Tokenize([]byte(block), "Caddyfile")
	if err != nil {
		return true // Caddy's lexer refuses the whole of it.
	}
	depth := 0
	for _, token := range tokens {
		switch token.Text {
		case "{":
			depth++
		case "}":
			depth--
		}
		if depth < 0 {
			return false
		}
	}
	return true
}

// checkHandlers reads each inbox_webhook of a configuration strictly.
func checkHandlers(t *testing.T, config []byte) {
	t.Helper()
	var tree any
	if err := json.Unmarshal(config, &tree); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(node any) {
		switch node := node.(type) {
		case []any:
			for _, n := range node {
				walk(n)
			}
		case map[string]any:
			if node["handler"] == "inbox_webhook" {
				delete(node, "handler")
				raw, err := json.Marshal(node)
				if err != nil {
					t.Fatal(err)
				}
				var hook caddymodule.Webhook
				if err := caddy.StrictUnmarshalJSON(raw, &hook); err != nil {
					t.Errorf("%v: %s", err, raw)
				}
			}
			for _, n := range node {
				walk(n)
			}
		}
	}
	walk(tree)
}
