// Package overlay changes the source for one build, so that a test can show
// that it would notice a mistake: it builds the program, or a package's tests,
// with that mistake and expects to fail.
//
// Guarantee: the tree itself is not touched. A replacement that does not match
// the source any more is an error: the build would prove nothing.
//
// Limits: it knows text, not Go. Whether what it wrote compiles, go build says.
package overlay

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Replacement is one change of the source for one build: Old, which must occur
// exactly once in File, becomes New. File is relative to the root of the
// module, with slashes. Several replacements of one file are made in turn.
type Replacement struct {
	File, Old, New string
}

// Write writes the files that the replacements change into dir, which must
// exist, and returns the path of the list that -overlay wants.
func Write(dir string, replacements []Replacement) (list string, err error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	texts, err := replace(root, replacements)
	if err != nil {
		return "", err
	}
	replaced := make(map[string]string, len(texts))
	for file, text := range texts {
		// The folder keeps files of one name apart.
		to := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return "", fmt.Errorf("making room for an overlay: %w", err)
		}
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("writing an overlay: %w", err)
		}
		replaced[filepath.Join(root, filepath.FromSlash(file))] = to
	}
	b, err := json.Marshal(struct{ Replace map[string]string }{replaced})
	if err != nil {
		return "", fmt.Errorf("listing an overlay: %w", err)
	}
	list = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, b, 0o600); err != nil {
		return "", fmt.Errorf("listing an overlay: %w", err)
	}
	return list, nil
}

// Root returns the directory of go.mod.
func Root() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("finding the module: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(mod) != "go.mod" {
		return "", fmt.Errorf("finding the module: go env GOMOD says %q", mod)
	}
	return filepath.Dir(mod), nil
}

// replace returns the changed text of each file that is named.
func replace(root string, replacements []Replacement) (map[string]string, error) {
	texts := make(map[string]string)
	for _, r := range replacements {
		text, ok := texts[r.File]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(r.File)))
			if err != nil {
				return nil, fmt.Errorf("reading what an overlay replaces: %w", err)
			}
			text = string(b)
		}
		if n := strings.Count(text, r.Old); r.Old == "" || n != 1 {
			return nil, fmt.Errorf("%s: %q occurs %d times, want once: the source has changed, and the replacement must follow", r.File, r.Old, n)
		}
		texts[r.File] = strings.Replace(text, r.Old, r.New, 1)
	}
	return texts, nil
}
