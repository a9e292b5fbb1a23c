package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const pageHead = `# The proof

inboxgate promises that no event is lost after its 200, that none is accepted twice
inside the window, and that nobody gets in without a signature. This page is what a
run of ` + "`make proof`" + ` found. It is written by that command, which breaks the real
program in every way that one node can be broken, and several on one PostgreSQL with
that database and the links between them, and judges from outside, with an exact record
of what was sent, answered and delivered.

    make proof          all of it: 15 minutes on two cores, on Linux, as root
    make proof-short    the same faults in fewer rounds: 5 minutes
    go run ./internal/proof -rows 1,3,16

It needs strace, mkfs.ext4, losetup, ip, iptables, PostgreSQL and pgbouncer, and says so where one is missing; a test
that cannot run is a failure.

`

const pageFaults = `
## What was broken, and what was lost

Each line is a fault that was brought about while events came in. *200s* are events that
were acknowledged. *Lost* are those of them that did not reach every route that takes
their type, and are in no quarantine and no dead letter. *Doubled* were accepted twice, or
delivered again without a reason. *Repeats allowed* are deliveries that a crash cut short
and that came again under the same id, as promise 7 of the README says. *Wrongly accepted*
are those that got a 200 without a valid signature, or while the disk took nothing.

`

const pageRows = `
## Row by row

Every fault of the table that this project works by, with its tests. A row with several
tests is covered from several sides: at the running program, and close to the code.

`

const pageCheckers = `
## Is the checker any good?

A checker that finds nothing may be blind. So these builds of the program are broken on
purpose, with one change each, and the checker has to find what they do wrong. The tests
of the checker alone, on made-up histories, stand below them.

`

const pageRest = `
## To repeat a failure

A test that draws random numbers tells its seed, and where it has kept the history of a
failure: every request, answer, delivery and fault, with its time. The same plan again:

    INBOXGATE_SEED=<seed> INBOXGATE_LONG=1 go test -count=1 -v -run '^<test>$' ./internal/proof/faults

The seed fixes what is sent and when something is broken, not how the machine's scheduler
answers; a rare failure may need several tries.

## What is not covered

- Reordering inside a disk's own cache, and a disk or hypervisor that lies about
  fdatasync. A power cut is that of a file system on a loop device: what was not synced
  is gone, what was is there.
- Rot in the database below SQLite's notice: a flipped byte in a page that stays well
  formed. Frames of the log have checksums, pages have not.
- File systems other than ext4 and tmpfs, and systems other than Linux.
- Several machines without a database: each has its own store, and accepts an id once for
  itself. Of databases, PostgreSQL alone, in one version, with one standby, all on one
  machine and mostly in memory; a power cut of its machine is PostgreSQL's to survive.
- Weeks of running. The longest test takes minutes.
`

// page is the text of docs/proof.md.
func (p *proof) page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	what := p.machine.sum
	if what == "" {
		what = "unknown"
	}
	form := "the long form"
	if p.short {
		form = "the short form, of few rounds"
	}
	if p.race {
		form += ", with the race detector"
	}
	fmt.Fprintf(&b, "This run: %s, %s, commit %s, on %s; it took %s.\n",
		form, p.at.UTC().Format("2 January 2006"), what, p.machine, p.took.Round(time.Minute))
	b.WriteString(pageFaults)
	p.faultTable().markdown(&b)
	b.WriteString(pageRows)
	p.rowTable().markdown(&b)
	b.WriteString(pageCheckers)
	p.checkerTable().markdown(&b)
	b.WriteString(pageRest)
	return b.String()
}

// write replaces the file by the page of this run.
func (p *proof) write(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("writing page: %w", err)
	}
	if err := os.WriteFile(file, []byte(p.page()), 0o644); err != nil {
		return fmt.Errorf("writing page: %w", err)
	}
	return nil
}
