package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

const (
	// beatEvery is how often a member says that it lives, and hears of the others.
	beatEvery = 500 * time.Millisecond
	// sizesEvery is how often the sizes of tables and the like are asked for.
	sizesEvery = 10 * time.Second
	// unavailableAfter is how long no beat may have been answered before the store
	// counts as unavailable, refuseAfter how long before events are refused at once.
	unavailableAfter = time.Second
	refuseAfter      = 5 * time.Second
)

const (
	tellBeat = `UPDATE @.members SET seen=$2, age=$3, now=$4, retention=$5, win=$6, max_size=$7 WHERE member=$1`
	readBeat = `SELECT ` + serverNow + `, ` + storedNow + `, ` + storedAge + `, (SELECT value FROM @.meta WHERE name='change'),
		coalesce((SELECT sum(running) FROM @.counts WHERE route=-1),0)::bigint + coalesce((SELECT sum(dead) FROM @.counts WHERE route=-1),0)::bigint*230,
		coalesce((SELECT sum(running) FROM @.counts WHERE route=0),0)::bigint, coalesce((SELECT sum(waiting) FROM @.counts WHERE route=0),0)::bigint,
		current_setting('synchronous_standby_names')<>''`
	readMembers = `SELECT member, name, version, began, began_age, seen, age, retention, win, max_size, schema, serves FROM @.members`
	readHints   = `SELECT r.route, coalesce((SELECT due FROM @.deliveries d WHERE d.route=r.route AND state IN (1,3,6) ORDER BY due LIMIT 1), 9223372036854775807),
		coalesce((SELECT until FROM @.deliveries d WHERE d.route=r.route AND state=2 ORDER BY until LIMIT 1), 9223372036854775807),
		coalesce((SELECT due FROM @.deliveries d WHERE d.route=r.route AND state IN (1,3,6) AND number<>ALL($2::bigint[]) ORDER BY due LIMIT 1), 9223372036854775807) FROM unnest($1::bigint[]) AS r(route)`
	readSources = `SELECT source, watermark, newest FROM @.sources`
)

// firstBeat reads all that a member knows, before its first call.
func (s *Store) firstBeat(ctx context.Context) error {
	if err := s.load(ctx, s.calls); err != nil {
		return err
	}
	if err := s.beatNow(ctx, s.calls); err != nil {
		return err
	}
	return s.readSizes(ctx, s.calls)
}

// beatOn beats until the last call has ended.
func (s *Store) beatOn() {
	defer s.goroutines.Done()
	tick := time.NewTicker(s.o.beat)
	defer tick.Stop()
	var sized time.Time
	for {
		select {
		case <-tick.C:
		case <-s.callsEnded:
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), beatWithin)
		err := s.beatNow(ctx, s.beats)
		if err == nil && time.Since(sized) > sizesEvery {
			sized = time.Now()
			err = s.readSizes(ctx, s.beats)
		}
		cancel()
		s.fleet.noteBeat(err)
	}
}

// beatWithin bounds the tries of one beat to connect.
const beatWithin = 5 * time.Second

// noteBeat notes how a beat ended.
func (f *fleet) noteBeat(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err = err; err == nil {
		f.beaten = time.Now()
	}
}

// away returns for how long no beat was answered, and why.
func (f *fleet) away() (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Since(f.beaten), f.err
}

// beatNow says that this member lives, and reads what the others have done.
func (s *Store) beatNow(ctx context.Context, l *link) error {
	var server, now, age, change, kept, odd, entries int64
	var synchronous bool
	members := map[int64]*member{}
	hints := map[int64]dueOf{}
	told := int64(0)
	versions := s.hintVersions()
	var sent time.Time
	err := l.run(ctx, true, func() *trip {
		t := s.relaxedly()
		r, set := s.clock.read(), s.settings.Load()
		clear(members)
		t.do(tellBeat, s.me, nanos(r.Wall()), r.age, r.now, int64(set.Retention), int64(set.Window), set.MaxSize).
			Exec(func(ct pgconn.CommandTag) error { told = ct.RowsAffected(); return nil })
		t.do(readBeat).QueryRow(func(row pgx.Row) error {
			return row.Scan(&server, &now, &age, &change, &kept, &odd, &entries, &synchronous)
		})
		t.do(readMembers).Query(func(rows pgx.Rows) error { return readMemberRows(rows, members) })
		t.do(readHints, s.watched(), s.passed(0, r)).Query(func(rows pgx.Rows) error { return readHintRows(rows, hints) })
		t.do(readSources).Query(s.followMarks)
		if newest := s.unsavedNewest(); len(newest) > 0 {
			t.do(saveNewest, newest)
		}
		sent = time.Now()
		return t
	})
	if err != nil {
		return err
	}
	if told == 0 {
		return errors.Join(errNotMember, s.writeMember(ctx))
	}
	s.clock.follow(server, sent, time.Since(sent), now, age)
	s.fleet.follow(members, s.me, s.clock.read().age, *s.settings.Load())
	s.fleet.measured(kept, odd, entries, synchronous)
	for id, h := range hints {
		s.setHint(id, versions[id], h.counts, h.until)
	}
	s.tellDue(hints)
	s.fleet.noteBeat(nil)
	if s.catalog.isBehind(change) {
		return s.load(ctx, l)
	}
	return nil
}

// measured takes over sizes.
func (f *fleet) measured(kept, odd, entries int64, synchronous bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept, f.odd, f.oddEntries, f.synchronous = kept, odd, entries, synchronous
}

// isBehind reports whether another member has changed the catalog.
func (c *catalog) isBehind(change int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return change > c.change
}

// tellDue wakes the watchers of routes that have something to lease, which another
// member may have made due.
func (s *Store) tellDue(hints map[int64]dueOf) {
	r := s.clock.read()
	for id, h := range hints {
		if h.at(r) <= r.now {
			s.tell(id, func(*hint) {})
		}
	}
}

// dueOf is when a route has something to lease, as it was read. counts is its due without
// what the end of another of its key has just let go.
type dueOf struct {
	hint
	counts int64
}

// followMarks takes over the marks of sources.
func (s *Store) followMarks(rows pgx.Rows) error {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	for rows.Next() {
		var id, watermark, newest int64
		if err := rows.Scan(&id, &watermark, &newest); err != nil {
			return err
		}
		if src := c.sources[id]; src != nil {
			src.watermark, src.newest, src.saved = max(src.watermark, watermark), max(src.newest, newest), newest
		}
	}
	return rows.Err()
}

// readMarks reads the marks of sources on a link whose turn the caller has.
func (s *Store) readMarks(ctx context.Context, l *link) error {
	t := s.relaxedly()
	t.do(readSources).Query(s.followMarks)
	return l.send(ctx, t)
}

func readHintRows(rows pgx.Rows, hints map[int64]dueOf) error {
	for rows.Next() {
		var id int64
		var h dueOf
		if err := rows.Scan(&id, &h.due, &h.until, &h.counts); err != nil {
			return err
		}
		hints[id] = h
	}
	return rows.Err()
}

func readMemberRows(rows pgx.Rows, all map[int64]*member) error {
	for rows.Next() {
		m := &member{serves: map[int64]bool{}}
		var began, seen, retention, window int64
		var serves []int64
		if err := rows.Scan(&m.Number, &m.Name, &m.Version, &began, &m.beganAge, &seen, &m.age, &retention, &window, &m.Settings.MaxSize, &m.schema, &serves); err != nil {
			return err
		}
		m.Began, m.Seen = record.Time(began), record.Time(seen)
		m.Settings.Retention, m.Settings.Window = time.Duration(retention), time.Duration(window)
		for _, id := range serves {
			m.serves[id] = true
		}
		all[m.Number] = m
	}
	return rows.Err()
}

const sizes = `SELECT current_setting('server_version'),
	(SELECT coalesce(sum(pg_total_relation_size(oid)),0) FROM pg_class WHERE relnamespace=to_regnamespace($1) AND relkind='r')::bigint,
	(SELECT coalesce(sum(n_dead_tup),0) FROM pg_stat_all_tables WHERE schemaname=$1)::bigint,
	(SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync','quorum')),
	(SELECT coalesce(max(extract(epoch FROM clock_timestamp()-xact_start)),0) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid<>pg_backend_pid())::float8,
	pg_has_role(current_user, 'pg_read_all_stats', 'usage')`

// readSizes reads what is too dear for each beat.
func (s *Store) readSizes(ctx context.Context, l *link) error {
	var version string
	var file, deadRows int64
	var standbys int
	var oldest float64
	var seen bool
	err := l.run(ctx, true, func() *trip {
		t := s.relaxedly()
		t.do(sizes, s.target.Schema).QueryRow(func(row pgx.Row) error { return row.Scan(&version, &file, &deadRows, &standbys, &oldest, &seen) })
		return t
	})
	if err != nil {
		return err
	}
	if news := s.fleet.sees(seen); news && !seen {
		s.log.Warn("this role may not see standbys and snapshots, so that neither is shown: GRANT pg_read_all_stats to it")
	}
	f := &s.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version, f.file, f.deadRows, f.standbys, f.oldest = version, file, deadRows, standbys, time.Duration(oldest*float64(time.Second))
	return nil
}

// ErrNoStandby is why nothing is accepted where Replica is asked for, which
// Stats.Unavailable wraps.
var ErrNoStandby = errors.New("no synchronous standby is named there: set synchronous_standby_names, or durability local")

// unavailable returns why the store does not work at present, nil if it does.
func (s *Store) unavailable() error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return spool.ErrClosed
	}
	if away, err := s.fleet.away(); away > unavailableAfter+s.o.beat {
		if err == nil {
			err = errNoConnection
		}
		return fmt.Errorf("%w: no answer for %v: %w", spool.ErrUnavailable, away.Round(time.Second), err)
	}
	if s.o.Durability == Replica && !s.fleet.hasStandby() {
		return fmt.Errorf("%w: %w", spool.ErrUnavailable, ErrNoStandby)
	}
	return nil
}

// hasStandby reports whether commits wait for a standby.
func (f *fleet) hasStandby() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.synchronous
}

// refusesNow returns why an event is refused at once: the database has been away for a
// while, and each caller would wait for nothing. The beats go on trying.
func (s *Store) refusesNow() error {
	if away, _ := s.fleet.away(); away > refuseAfter {
		return s.unavailable()
	}
	if s.o.Durability == Replica && !s.fleet.hasStandby() {
		return s.unavailable()
	}
	return nil
}

// Members implements spool.Shared.
func (s *Store) Members(ctx context.Context) ([]spool.Member, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.exit()
	if err := s.beatNow(ctx, s.calls); err != nil {
		return nil, fmt.Errorf("reading members: %w", err)
	}
	var all []spool.Member
	for _, m := range s.fleet.sorted() {
		out := m.Member
		for id := range m.serves {
			out.Serves = append(out.Serves, s.catalog.key(id))
		}
		out.Holds = s.catalog.heldBy(m.Number)
		sortKeys(out.Serves)
		all = append(all, out)
	}
	return all, nil
}

// Live implements spool.Shared.
func (s *Store) Live(k spool.RouteKey) int {
	rt := s.catalog.route(k)
	if rt == nil {
		return 1
	}
	return max(1, s.fleet.servedBy(rt.id))
}

// saveNewest saves the newest created_at of sources. It may lag after a crash: then a
// little more is fresh than need be.
const saveNewest = `UPDATE @.sources s SET newest=greatest(s.newest, (u.v->>1)::bigint) FROM jsonb_array_elements($1::jsonb) u(v) WHERE s.source=(u.v->>0)::bigint AND s.newest<(u.v->>1)::bigint`

// unsavedNewest returns those that are a second or more ahead of what was read last, with
// the numbers of their sources.
func (s *Store) unsavedNewest() (all [][2]int64) {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, src := range c.sources {
		if src.newest-src.saved >= int64(time.Second) {
			all = append(all, [2]int64{id, src.newest})
		}
	}
	return all
}
