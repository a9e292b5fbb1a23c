// Command pictures takes the pictures of the README: it runs the demonstration, has an
// app refuse events and another go down, and photographs the dashboard with Chromium.
//
// Guarantee: a picture is 1280 by 800 pixels, light, and smaller than 150 kB; if
// one cannot be taken nothing is written. It leaves no process and no file behind.
//
// Limits: it needs a Chromium or Chrome on this machine. Ids and times are those of the
// run, so two runs differ in them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

// limit bounds all of it, which takes half a minute after the build.
const limit = 4 * time.Minute

func main() {
	into := flag.String("into", "docs/pictures", "the directory to write to")
	program := flag.String("program", "", "the inboxgate to run (default: one built from here)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := take(ctx, *program, *into); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

// take takes all pictures, and writes them once all are taken.
func take(ctx context.Context, program, into string) (err error) {
	browser, err := findBrowser(exec.LookPath)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "inboxgate-pictures-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if program == "" {
		program = filepath.Join(dir, "inboxgate")
		build := exec.CommandContext(ctx, "go", "build", "-o", program, "./sidecar")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building inboxgate: %w: run it from the root of the repository\n%s", err, out)
		}
	}
	scene, err := openScene(ctx, program, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, scene.close()) }()
	if err := scene.arrange(ctx); err != nil {
		return err
	}
	taken := make(map[string][]byte)
	for _, v := range views {
		raw, err := browser.photograph(ctx, dir, scene.dashboard+v.path)
		if err != nil {
			return fmt.Errorf("taking %s: %w", v.file, err)
		}
		if taken[v.file], err = shrink(raw); err != nil {
			return fmt.Errorf("shrinking %s: %w", v.file, err)
		}
	}
	for name, png := range taken {
		if err := os.WriteFile(filepath.Join(into, name), png, 0o644); err != nil { //nolint:gosec // Everybody may read it.
			return fmt.Errorf("writing a picture: %w", err)
		}
		fmt.Printf("%s  %d kB\n", filepath.Join(into, name), len(png)/1000)
	}
	return nil
}

// views are the pictures: the file of each, and where it is in the dashboard.
var views = []struct{ file, path string }{
	{"overview.png", ""},
	{"decide.png", "decide"},
}
