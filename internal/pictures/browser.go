package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const width, height = 1280, 800

// browser is the path of a Chromium.
type browser string

// findBrowser returns the first Chromium that find knows.
func findBrowser(find func(string) (string, error)) (browser, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := find(name); err == nil {
			return browser(path), nil
		}
	}
	return "", errors.New("finding a browser: no chromium and no google-chrome in PATH: install one, on Debian with apt-get install chromium")
}

// photograph returns a page as a PNG. dir is a directory for the browser's own files.
func (b browser) photograph(ctx context.Context, dir, address string) ([]byte, error) {
	file := filepath.Join(dir, "picture.png")
	args := []string{
		"--headless=new", "--hide-scrollbars", "--force-device-scale-factor=1", "--no-first-run", "--disable-gpu",
		"--user-data-dir=" + filepath.Join(dir, "browser"), fmt.Sprintf("--window-size=%d,%d", width, height), "--screenshot=" + file, address,
	}
	if os.Getuid() == 0 {
		args = append([]string{"--no-sandbox"}, args...) // It refuses to run as root otherwise.
	}
	if out, err := exec.CommandContext(ctx, string(b), args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("running %s: %w\n%s", b, err, out)
	}
	return os.ReadFile(file)
}
