package caddymodule_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documented is a command as the documents write it, up to the end of the line,
// of the code or of the shell's command.
var documented = regexp.MustCompile("(?:^|[`/ ])inboxgate ([a-z]+(?: [^`|;\n&]*)?)")

// Whatever a document tells to type is there: the command, and each flag.
func TestDocumentedCommandsExist(t *testing.T) {
	t.Parallel()
	var files []string
	for _, root := range []string{"../README.md", "../docs", "../examples"} {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if e != nil && e.IsDir() && e.Name() == "node_modules" {
				return fs.SkipDir
			}
			if err == nil && strings.HasSuffix(path, ".md") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]bool{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			for _, m := range documented.FindAllStringSubmatch(line, -1) {
				if name := checkDocumented(t, file, m[1]); name != "" {
					found[name] = true
				}
			}
		}
	}
	if len(files) < 3 || len(found) < 10 {
		t.Errorf("%d commands in %d documents: they are not found any more", len(found), len(files))
	}
}

func checkDocumented(t *testing.T, file, text string) (name string) {
	t.Helper()
	words := strings.Fields(text)
	if !slices.Contains(subcommands(t), words[0]) {
		return "" // Of Caddy, or a sentence.
	}
	cmd, _, err := program().Find(append([]string{"inbox"}, words...))
	if err != nil {
		t.Errorf("%s: inboxgate %s: %v", file, text, err)
		return ""
	}
	if cmd.HasSubCommands() && len(words) > 1 && regexp.MustCompile(`^[a-z]+$`).MatchString(words[1]) {
		t.Errorf("%s: inboxgate %s: there is no %s", file, text, words[1])
	}
	for _, word := range words {
		flag, ok := strings.CutPrefix(strings.TrimRight(word, ".,:)"), "--")
		if flag, _, _ = strings.Cut(flag, "="); !ok || flag == "" || flag == "help" || strings.Contains(flag, "<") {
			continue
		}
		if cmd.Flags().Lookup(flag) == nil && cmd.InheritedFlags().Lookup(flag) == nil {
			t.Errorf("%s: inboxgate %s: there is no --%s", file, text, flag)
		}
	}
	return cmd.CommandPath()
}
