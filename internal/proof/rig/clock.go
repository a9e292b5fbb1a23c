package rig

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/overlay"
)

// clockFile names, in the environment of a binary of ClockBinary, the file
// that holds two durations: how far its wall clock is off, and how much time has
// passed beside that which really has.
const clockFile = "PROOF_CLOCK"

// clockDirs hold all of the product that serves, stores or delivers. The
// commands beside it keep the machine's time.
var clockDirs = []string{
	"verify", "dedupe", "internal/spool", "internal/spool/sqlite", "internal/spool/postgres", "internal/deliver", "caddymodule",
	"internal/body", "internal/metrics", "internal/secrets", "internal/upstream",
}

var (
	readsClock = regexp.MustCompile(`\btime\.Now\b`)
	readsSince = regexp.MustCompile(`\btime\.Since\(`)
	beside     = regexp.MustCompile(`(_test|^command\w*|^demo\w*)\.go$`)
)

// setClock is a clock that can be set. Like the kernel's, a set clock leaves
// the monotonic reading alone, which no public function of package time does:
// bits 30 to 62 of a Time's first word are the seconds of the wall.
const setClock = `
// WallNow is time.Now by the clock that the test sets.
func WallNow() time.Time {
	t := time.Now()
	b, err := os.ReadFile(os.Getenv("` + clockFile + `"))
	if err != nil {
		panic(err)
	}
	words := strings.Fields(string(b))
	off, err := time.ParseDuration(words[0])
	if err != nil {
		panic(err)
	}
	passed, err := time.ParseDuration(words[1])
	if err != nil {
		panic(err)
	}
	t = t.Add(passed)
	wall := (*uint64)(unsafe.Pointer(&t))
	if *wall>>63 == 0 {
		panic("a time without a monotonic reading")
	}
	*wall += uint64(int64(off/time.Second)) << 30
	return t
}
`

// ClockBinary is the real program, but that it reads the wall clock through
// clockFile.
func ClockBinary(t testing.TB) string {
	t.Helper()
	return Overlay(t, ClockReplacements(t))
}

// ClockReplacements come from the present source, and each must find what it
// replaces.
func ClockReplacements(t testing.TB) []Replacement {
	t.Helper()
	root, err := overlay.Root()
	if err != nil {
		t.Fatal(err)
	}
	var set []Replacement
	for _, dir := range clockDirs {
		names, err := fs.Glob(os.DirFS(root), path.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		changed := 0
		for _, name := range names {
			text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
			if err != nil {
				t.Fatal(err)
			}
			if beside.MatchString(path.Base(name)) || !readsClock.Match(text) && !readsSince.Match(text) {
				continue
			}
			to, err := throughFile(name, string(text))
			if err != nil {
				t.Fatal(err)
			}
			set = append(set, Replacement{File: name, Old: string(text), New: to})
			changed++
		}
		if changed == 0 {
			t.Fatalf("nothing in %s reads the clock: this overlay must follow the source", dir)
		}
	}
	return set
}

// throughFile makes one source file read the clock through clockFile.
func throughFile(name, text string) (string, error) {
	const block = "\nimport (\n"
	if strings.Count(text, block) != 1 {
		return "", fmt.Errorf("%s has no import block, or two: this overlay must follow the source", name)
	}
	if path.Dir(name) == "internal/spool" {
		text = readsSince.ReplaceAllString(readsClock.ReplaceAllString(text, "WallNow"), "WallNow().Sub(")
		if path.Base(name) != "clock.go" {
			return text, nil // It finds the clock beside it.
		}
		return strings.Replace(text, block, block+"\t\"os\"\n\t\"strings\"\n\t\"unsafe\"\n", 1) + setClock, nil
	}
	text = readsSince.ReplaceAllString(readsClock.ReplaceAllString(text, "wallclock.WallNow"), "wallclock.WallNow().Sub(")
	text = strings.Replace(text, block, block+"\twallclock \"github.com/inboxgate/inboxgate/internal/spool\"\n", 1)
	// A file may name the clock in a comment alone.
	return text + "\nvar (\n\t_ time.Duration\n\t_ = wallclock.WallNow\n)\n", nil
}

// WallClock is the clock of one process of ClockBinary.
type WallClock struct {
	t    testing.TB
	file string

	off, passed time.Duration
}

// NewWallClock is a clock that is right.
func NewWallClock(t testing.TB) *WallClock {
	t.Helper()
	c := &WallClock{t: t, file: filepath.Join(t.TempDir(), "clock")}
	c.Set(0)
	return c
}

// Set sets the clock off by d, in whole seconds, from the next reading on.
func (c *WallClock) Set(d time.Duration) {
	c.t.Helper()
	c.off = d
	c.write()
}

// Pass lets time pass, for the process that runs: with a start it is only a clock
// that is ahead.
func (c *WallClock) Pass(d time.Duration) {
	c.t.Helper()
	c.passed += d
	c.write()
}

func (c *WallClock) write() {
	c.t.Helper()
	next := c.file + ".next"
	if err := os.WriteFile(next, []byte(c.off.String()+" "+c.passed.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(next, c.file); err != nil {
		c.t.Fatal(err)
	}
}

// Env is what the process needs to know.
func (c *WallClock) Env() string { return clockFile + "=" + c.file }
