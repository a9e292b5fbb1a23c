//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a process has used since it began.
type usage struct {
	cpu     time.Duration
	written int64 // bytes it caused to be sent to disks
	rss     int64 // bytes, now
}

// tick is the unit of the times in /proc: 100 a second on every Linux.
const tick = 10 * time.Millisecond

func readUsage(pid int) (u usage, err error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return u, fmt.Errorf("reading usage: %w", err)
	}
	if u.cpu, err = cpuTime(stat); err != nil {
		return u, err
	}
	if u.written, err = value(dir+"/io", "write_bytes:"); err != nil {
		return u, err
	}
	kib, err := value(dir+"/status", "VmRSS:")
	u.rss = kib << 10
	return u, err
}

// cpuTime finds user and system time in a stat line. The program's name
// may hold blanks and brackets; the last bracket ends it.
func cpuTime(stat []byte) (time.Duration, error) { return timesAt(stat, 11) }

// waitedTime is that of all children of a process that have ended.
func waitedTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("reading usage: %w", err)
	}
	return timesAt(stat, 13)
}

// timesAt sums up two fields of a stat line, counted from behind the name.
func timesAt(stat []byte, at int) (time.Duration, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < at+2 {
		return 0, errors.New("reading CPU time: too few fields")
	}
	user, err1 := strconv.ParseInt(fields[at], 10, 64)
	system, err2 := strconv.ParseInt(fields[at+1], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// value finds the number behind a name in one of the files of /proc.
func value(file, name string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("reading usage: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				return strconv.ParseInt(f[0], 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("reading usage: %s has no %s", file, name)
}

// disk counts the flushes that a device has completed. The kernel counts them
// for whole devices only.
type disk struct {
	name         string
	major, minor int
}

// diskOf finds the device under a directory. One that cannot be known (below
// an overlay) has no name.
func diskOf(dir string) (disk, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return disk{}, fmt.Errorf("finding the disk of %s: %w", dir, err)
	}
	// The layout of a dev_t, as glibc's gnu_dev_major and _minor read it.
	return wholeDisk(int(st.Dev>>8&0xfff|st.Dev>>32&^0xfff), int(st.Dev&0xff|st.Dev>>12&^0xff)), nil
}

// wholeDisk is the device that has the flushes of one, which may be a
// partition.
func wholeDisk(major, minor int) disk {
	sys, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", major, minor))
	if err != nil {
		return disk{}
	}
	if _, err := os.Stat(filepath.Join(sys, "partition")); err == nil {
		sys = filepath.Dir(sys)
	}
	text, err := os.ReadFile(filepath.Join(sys, "dev"))
	if err != nil {
		return disk{}
	}
	whole := disk{name: filepath.Base(sys)}
	if _, err := fmt.Sscanf(string(text), "%d:%d", &whole.major, &whole.minor); err != nil {
		return disk{}
	}
	return whole
}

// flushes is the count now, or unknown.
func (d disk) flushes() float64 {
	text, err := os.ReadFile("/proc/diskstats")
	if err != nil || d.name == "" {
		return unknown
	}
	return flushesIn(string(text), d)
}

func flushesIn(diskstats string, d disk) float64 {
	for line := range strings.Lines(diskstats) {
		f := strings.Fields(line)
		// Three names, then field 16 of the kernel's counting (Linux 5.5).
		if len(f) < 3+16 || f[0] != strconv.Itoa(d.major) || f[1] != strconv.Itoa(d.minor) {
			continue
		}
		if n, err := strconv.ParseFloat(f[3+15], 64); err == nil {
			return n
		}
	}
	return unknown
}

// meter is one reading of everything.
type meter struct {
	at      time.Time
	use     usage
	flushes float64
	// database is what the database's processes have used, log how much was written to
	// its log. Unknown where there is none.
	database usage
	log      float64
}

// read sums up a side: its processes, and its database apart.
func (b *bench) read(s *side) (m meter, err error) {
	if m, err = b.disk.read(s.procs); err != nil || s.db == nil {
		m.log = unknown
		return m, err
	}
	if m.database, err = s.db.usage(); err != nil {
		return m, err
	}
	m.log, err = s.db.logPosition()
	return m, err
}

// read sums up the processes of one side.
func (d disk) read(procs []*process) (m meter, err error) {
	for _, p := range procs {
		u, err := readUsage(p.cmd.Process.Pid)
		if err != nil {
			return m, fmt.Errorf("%s: %w", p.name, err)
		}
		m.use.cpu += u.cpu
		m.use.written += u.written
		m.use.rss += u.rss
	}
	m.at, m.flushes = time.Now(), d.flushes()
	return m, nil
}
