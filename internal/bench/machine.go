//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// machine is on what, and with what, the figures were taken. Nothing in it
// names the machine.
type machine struct {
	Date       string   `json:"date"`
	Cores      int      `json:"cores"`
	Processor  string   `json:"processor"`
	Memory     string   `json:"memory"`
	Kernel     string   `json:"kernel"`
	FileSystem string   `json:"file_system"`
	Disk       string   `json:"disk"`
	Go         string   `json:"go"`
	Revision   string   `json:"revision"`
	Programs   []string `json:"programs"`
	LoadBefore string   `json:"load_before"`
}

func (b *bench) machine(ctx context.Context) machine {
	m := machine{
		Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Cores: len(b.cpus), Processor: "unknown", Memory: "unknown",
		Kernel: "Linux " + line1("/proc/sys/kernel/osrelease"), FileSystem: fileSystem(b.dir), Disk: b.disk.text(ctx),
		Go: runtime.Version(), Revision: said(ctx, b.root, "git", "describe", "--always", "--dirty=, changed"), LoadBefore: line1("/proc/loadavg"),
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range bytes.Lines(text) {
			if name, ok := bytes.CutPrefix(line, []byte("model name")); ok {
				m.Processor = strings.TrimSpace(strings.TrimLeft(string(name), "\t :"))
				break
			}
		}
	}
	if kib, err := value("/proc/meminfo", "MemTotal:"); err == nil {
		m.Memory = fmt.Sprintf("%.0f GiB", float64(kib)/(1<<20))
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "github.com/caddyserver/caddy/v2" {
				m.Programs = append(m.Programs, "Caddy "+dep.Version)
			}
		}
	}
	if node := said(ctx, "", "node", "--version"); node != "unknown" {
		m.Programs = append(m.Programs, "Node.js "+node)
	}
	if f := strings.Fields(said(ctx, "", "redis-server", "--version")); len(f) > 2 {
		m.Programs = append(m.Programs, "Redis "+strings.TrimPrefix(f[2], "v="))
	}
	return m
}

// line1 is a file's first word.
func line1(file string) string {
	text, err := os.ReadFile(file)
	if f := strings.Fields(string(text)); err == nil && len(f) > 0 {
		return f[0]
	}
	return "unknown"
}

// said is what a program answers.
func said(ctx context.Context, dir, name string, args ...string) string {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if text := strings.TrimSpace(string(out)); err == nil && text != "" {
		return text
	}
	return "unknown"
}

// fileSystem names the type of the one under a directory.
func fileSystem(dir string) string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return "unknown"
	}
	names := map[uint32]string{0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x2fc12fc1: "zfs", 0xf2f52010: "f2fs", 0x794c7630: "overlayfs"}
	if name, ok := names[uint32(fs.Type)]; ok {
		return name
	}
	return fmt.Sprintf("of type %#x", uint32(fs.Type))
}

// text says what the disk is, and how much others flush while this run does
// nothing.
func (d disk) text(ctx context.Context) string {
	if d.name == "" {
		return "one whose flushes cannot be counted"
	}
	cache := "cache unknown"
	if text, err := os.ReadFile(filepath.Join("/sys/block", d.name, "queue/write_cache")); err == nil {
		cache = strings.TrimSpace(string(text))
	}
	return fmt.Sprintf("%s (%s), %s", d.name, cache, d.idleFlushes(ctx))
}

// effort is the time that the cores of this machine have worked.
type effort struct{ busy, stolen, own time.Duration }

// readEffort gives the whole machine's, and that of this process and of all of
// its children that have ended.
func readEffort() (e effort, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return e, fmt.Errorf("reading effort: %w", err)
	}
	if e.busy, e.stolen, err = busyTime(string(text)); err != nil {
		return e, err
	}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			return e, fmt.Errorf("reading effort: %w", err)
		}
		e.own += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return e, nil
}

// busyTime reads the first line of /proc/stat: user, nice, system, idle,
// iowait, irq, softirq, steal.
func busyTime(stat string) (busy, stolen time.Duration, err error) {
	first, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(first)
	if len(f) < 9 || f[0] != "cpu" {
		return 0, 0, fmt.Errorf("reading effort: %q is not the line of all cores", first)
	}
	for i, word := range f[1:9] {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("reading effort: %w", err)
		}
		switch i {
		case 3, 4:
		case 7:
			stolen = time.Duration(n) * tick
		default:
			busy += time.Duration(n) * tick
		}
	}
	return busy, stolen, nil
}

// quiet says how much of the machine others had between two readings.
func quiet(from, to effort, took time.Duration, cores int) string {
	all := took.Seconds() * float64(cores)
	others := max(0, (to.busy-from.busy)-(to.own-from.own)).Seconds()
	return fmt.Sprintf("other programs used %.1f %% of the cores meanwhile, and the host kept %.1f %% of them", 100*others/all, 100*(to.stolen-from.stolen).Seconds()/all)
}
