package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// machine is what is told of where the proof has run. It names no host.
type machine struct {
	cores                 int
	memory                string
	kernel, compiler, sum string
}

func thisMachine(ctx context.Context) machine {
	m := machine{cores: runtime.NumCPU(), compiler: runtime.Version(), kernel: runtime.GOOS}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.kernel = "Linux " + strings.TrimSpace(string(b))
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib int
		if _, err := fmt.Sscanf(string(b), "MemTotal: %d kB", &kib); err == nil {
			m.memory = fmt.Sprintf("%.0f GiB", float64(kib)/(1<<20))
		}
	}
	m.sum = commit(ctx)
	return m
}

// commit is what was proved, as far as git can tell.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return ""
	}
	sum := strings.TrimSpace(string(out))
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output()
	if err != nil || len(changed) > 0 {
		sum += ", with changes"
	}
	return sum
}

func (m machine) String() string {
	s := fmt.Sprintf("%d cores, ", m.cores)
	if m.memory != "" {
		s += m.memory + ", "
	}
	return s + m.kernel + ", " + m.compiler
}
