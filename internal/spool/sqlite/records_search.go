package sqlite

import (
	"cmp"
	"maps"
	"slices"
)

// containing returns those of the next maxScan numbers whose bodies hold the bytes
// asked for. SQLite looks for them, so that bodies without them never leave it.
func (l *listing) containing(before *int64) ([]int64, int, error) {
	newest, err := l.c.one(`SELECT max(seq) FROM events`)
	top := min(*before, newest+1)
	if err != nil || top <= 1 {
		return nil, 0, err
	}
	low := max(top-maxScan, 1)
	st := l.c.prepare(`SELECT seq FROM events WHERE seq<?1 AND seq>=?2 AND instr(body, ?3) ORDER BY seq DESC`)
	if l.c.err != nil {
		return nil, 0, l.c.err
	}
	defer st.Close()
	var found []int64
	err = st.int(top).int(low).blob(l.q.Contains).each(func() error {
		found = append(found, st.ColumnInt64(0))
		return nil
	})
	*before = low
	return found, maxScan, err
}

// byID returns the events of an id that the table of ids leads to, newest first. That
// spares most searches the walk to where they lie. The walk goes on behind the last,
// because an id that was forgotten may have come twice. Recent ids are not in the
// table, but the walk begins with them. It returns nothing unless every source asked
// for has the id there: then the walk must not jump.
func (l *listing) byID() ([]int64, error) {
	if l.q.ID == "" || l.q.Cursor != never || l.q.Seq != 0 {
		return nil, nil
	}
	l.s.view.mu.Lock()
	sources := maps.Clone(l.s.view.sources)
	l.s.view.mu.Unlock()
	st := l.prepare(`SELECT seq FROM ids WHERE source=? AND id=?`)
	if l.c.err != nil {
		return nil, l.c.err
	}
	var seqs []int64
	for id, name := range sources {
		if l.q.Source != "" && l.q.Source != name {
			continue
		}
		found := false
		err := st.int(id).text(l.q.ID).each(func() error {
			found = true
			seqs = append(seqs, st.ColumnInt64(0))
			return nil
		})
		if !found || err != nil {
			return nil, err // In this source it may lie anywhere.
		}
	}
	slices.SortFunc(seqs, func(a, b int64) int { return cmp.Compare(b, a) })
	return seqs, nil
}
