//go:build linux

package machines

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/proctest"
)

// Net is a network of namespaces on one bridge, with this process at its first address.
// It goes with the processes that hold the namespaces, and so with the test.
type Net struct {
	t      testing.TB
	hub    *Place
	prefix string // of the addresses
	places int
}

// Place is one namespace, as a machine on the network.
type Place struct {
	net *Net
	pid int
	// Address is an IPv4 address.
	Address string
}

// NewNet makes a network. It needs root, and skips the test without.
func NewNet(t testing.TB) *Net {
	t.Helper()
	proctest.Needs(t, "root", "ip", "nsenter", "unshare", "iptables")
	n := &Net{t: t, prefix: fmt.Sprintf("10.%d.%d.", 128+rand.N(100), rand.N(250))}
	n.hub = n.hold()
	n.hub.run("ip", "link", "add", "hub", "type", "bridge")
	n.hub.run("ip", "link", "set", "hub", "up")
	here := &Place{net: n, pid: os.Getpid()}
	n.join(here, fmt.Sprintf("igp%d", n.hub.pid))
	return n
}

// Here is the address of this process on the network.
func (n *Net) Here() string { return n.prefix + "1" }

// Place makes a machine on the network.
func (n *Net) Place() *Place {
	n.t.Helper()
	p := n.hold()
	n.join(p, "eth0")
	p.run("ip", "link", "set", "lo", "up")
	return p
}

// hold starts the process that holds a namespace.
func (n *Net) hold() *Place {
	n.t.Helper()
	p := &Place{net: n, pid: proctest.Start(n.t, exec.Command("unshare", "--net", "sleep", "infinity")).PID()}
	mine, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		n.t.Fatal(err)
	}
	for deadline := time.Now().Add(proctest.Patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got, err := os.Readlink(p.Namespace()); err == nil && got != mine {
			return p
		}
	}
	n.t.Fatal("no network namespace of its own")
	return nil
}

// join gives a place a link to the bridge, under a name.
func (n *Net) join(p *Place, name string) {
	n.t.Helper()
	n.places++
	p.Address = n.prefix + strconv.Itoa(n.places)
	port := fmt.Sprintf("port%d", n.places)
	n.hub.run("ip", "link", "add", port, "type", "veth", "peer", "name", name, "netns", strconv.Itoa(p.pid))
	n.hub.run("ip", "link", "set", port, "master", "hub", "up")
	p.run("ip", "addr", "add", p.Address+"/24", "dev", name)
	p.run("ip", "link", "set", name, "up")
}

// Namespace is the file of the place's namespace.
func (p *Place) Namespace() string { return filepath.Join("/proc", strconv.Itoa(p.pid), "ns", "net") }

// Network is the place as a cluster is put there.
func (p *Place) Network() pgtest.Network {
	return pgtest.Network{Namespace: p.Namespace(), Host: p.Address}
}

// Wrap runs a command line in the place.
func (p *Place) Wrap(argv []string) []string {
	return append([]string{"nsenter", "--net=" + p.Namespace(), "--"}, argv...)
}

func (p *Place) run(argv ...string) {
	p.net.t.Helper()
	argv = p.Wrap(argv)
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		p.net.t.Fatalf("%v: %v\n%s", argv, err, out)
	}
}

// Ways are the directions of a link that are cut.
type Ways int

// The ways. There is to the other end, as the place sees it.
const (
	There Ways = 1 << iota
	Back
	Both = There | Back
)

// Cut drops what goes between the place and a port at another address, without a word to
// either, until the returned function is called.
func (p *Place) Cut(ways Ways, address, port string) (mend func()) {
	p.net.t.Helper()
	var rules [][]string
	if ways&There != 0 {
		rules = append(rules, []string{"OUTPUT", "-p", "tcp", "-d", address, "--dport", port, "-j", "DROP"})
	}
	if ways&Back != 0 {
		rules = append(rules, []string{"INPUT", "-p", "tcp", "-s", address, "--sport", port, "-j", "DROP"})
	}
	for _, r := range rules {
		p.run(append([]string{"iptables", "-w", "-A"}, r...)...)
	}
	return func() {
		for _, r := range rules {
			p.run(append([]string{"iptables", "-w", "-D"}, r...)...)
		}
	}
}
