package sqlite

import (
	"slices"
	"strings"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Random ids each dirty a page of their own where they are inserted one by
// one. So the youngest are known from memory, and are inserted many at a time,
// in order, with several to a page. What makes a young id durable is its event:
// those numbered above w.merged are read at the start. Two rules keep that true:
// an event leaves the store only after its id is in the table, and an id is
// forgotten only after w.merged has passed it.

type idKey struct {
	source int64
	id     string
}

func (k idKey) compare(o idKey) int {
	if k.source != o.source {
		return int(k.source - o.source)
	}
	return strings.Compare(k.id, o.id)
}

// knownID is what is remembered of an id.
type knownID struct {
	digest spool.Digest
	seq    int64
}

// generation is a set of young ids that is merged as a whole.
type generation struct {
	ids  map[idKey]knownID
	runs [][]idKey // in order each, once their last is full
	last int64     // the largest number of their events
}

func newGeneration() *generation { return &generation{ids: map[idKey]knownID{}} }

// add notes an id. Runs are put in order one by one, so that no batch has to
// wait for all of it.
func (g *generation) add(k idKey, v knownID, run int) {
	n := len(g.runs) - 1
	if n < 0 || len(g.runs[n]) >= run {
		g.runs = append(g.runs, make([]idKey, 0, run))
		n++
	}
	g.runs[n] = append(g.runs[n], k)
	if len(g.runs[n]) == run {
		slices.SortFunc(g.runs[n], idKey.compare)
	}
	g.ids[k], g.last = v, max(g.last, v.seq)
}

// begin makes the runs a heap by their first ids.
func (g *generation) begin() {
	if n := len(g.runs); n > 0 {
		slices.SortFunc(g.runs[n-1], idKey.compare)
	}
	for i := len(g.runs)/2 - 1; i >= 0; i-- {
		g.sink(i)
	}
}

func (g *generation) sink(i int) {
	r := g.runs
	for {
		least := i
		for _, c := range []int{2*i + 1, 2*i + 2} {
			if c < len(r) && r[c][0].compare(r[least][0]) < 0 {
				least = c
			}
		}
		if least == i {
			return
		}
		r[i], r[least] = r[least], r[i]
		i = least
	}
}

// next takes the least id that is left. There must be one.
func (g *generation) next() idKey {
	k := g.runs[0][0]
	if g.runs[0] = g.runs[0][1:]; len(g.runs[0]) == 0 {
		n := len(g.runs) - 1
		g.runs[0] = g.runs[n]
		g.runs = g.runs[:n]
	}
	g.sink(0)
	return k
}
