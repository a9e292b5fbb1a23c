package postgres

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// knownID is what the table of ids has of one.
type knownID struct {
	digest   []byte
	seq, tag int64
}

// findIDs must be a later statement than the one that did not insert: an id that another
// has just committed is seen by neither half of that.
const findIDs = `SELECT u.o, k.digest, k.seq, k.tag FROM unnest($1::bigint[],$2::text[]) WITH ORDINALITY AS u(s,i,o)
	JOIN LATERAL (SELECT digest,seq,tag FROM @.ids WHERE source=u.s AND id=u.i OFFSET 0) k ON true`

// leaveTrace has the transaction commit something, so that its answer waits for the
// flush and the standby as an accept does. A server that came back from a crash shows
// what it had not yet been promised to keep: "duplicate" would be said of an event that
// a failover loses.
const leaveTrace = `INSERT INTO @.counts AS c VALUES (-2, $1, $2, 1, 0, 0) ON CONFLICT (route,member,link) DO UPDATE SET waiting=c.waiting+1`

// lookUp answers for ids that are known, and keeps what is odd.
func (x *sender) lookUp(ctx context.Context, batch []*intake, r reading) error {
	var sources []int64
	var ids []string
	for _, a := range batch { // Two keys each: its own, and the one that a release gives.
		sources = append(sources, a.src.id, a.src.id)
		own, reason := a.Event.ID, spool.ReasonConflict
		if a.odd != "" {
			own, reason = "", a.odd
		}
		ids = append(ids, own, spool.ReleaseID(a.Event, reason))
	}
	found := make(map[int]knownID)
	t := x.s.durably()
	t.do(findIDs, sources, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var o int
			var k knownID
			if err := rows.Scan(&o, &k.digest, &k.seq, &k.tag); err != nil {
				return err
			}
			found[o-1] = k
		}
		return rows.Err()
	})
	t.do(leaveTrace, x.s.me, x.number)
	began := time.Now()
	if err := x.link.send(ctx, t); err != nil {
		return err
	}
	x.s.committed(began, len(batch))
	mine, odd := x.answerKnown(batch, found)
	if err := x.recognise(ctx, mine, r); err != nil {
		return err
	}
	return x.keepOdd(ctx, odd, r)
}

// stored is an intake that was stored by a commit whose answer did not come.
type stored struct {
	*intake
	seq int64
}

// answerKnown answers for what was found, two keys an intake, and returns the rest: what
// is our own, and what is odd. What is neither stays for the next round.
func (x *sender) answerKnown(batch []*intake, found map[int]knownID) (mine []stored, odd []*intake) {
	for i, a := range batch {
		own, isKnown := found[2*i]
		other, wasReleased := found[2*i+1]
		wasReleased = wasReleased && bytes.Equal(other.digest, a.Event.Digest[:])
		switch same := isKnown && bytes.Equal(own.digest, a.Event.Digest[:]); {
		case a.odd != "" && wasReleased:
			a.answer(spool.Receipt{}, spool.ErrReleased)
		case a.odd != "":
			odd = append(odd, a)
		case same && own.tag == a.tag:
			mine = append(mine, stored{a, own.seq})
		case same:
			x.s.count.duplicates.Add(1)
			a.answer(spool.Receipt{Verdict: spool.Duplicate, Seq: own.seq}, nil)
		case isKnown && wasReleased:
			x.s.count.duplicates.Add(1)
			a.answer(spool.Receipt{Verdict: spool.Duplicate, Seq: other.seq}, nil)
		case isKnown:
			a.stale = spool.ReasonConflict
			odd = append(odd, a)
		case a.stale != "":
			odd = append(odd, a)
		case x.s.fleet.refuses():
			a.answer(spool.Receipt{}, spool.ErrFull)
		case a.Release != 0:
			a.answer(spool.Receipt{}, spool.ErrNotFound)
		}
	}
	return mine, odd
}

// recognise answers for events that were stored by a commit whose answer did not come,
// with those of their deliveries that are still leased to us.
func (x *sender) recognise(ctx context.Context, mine []stored, r reading) error {
	if len(mine) == 0 {
		return nil
	}
	born := make([][]int16, len(mine))
	t := x.s.relaxedly()
	for i, a := range mine {
		t.do(`SELECT number, fence FROM @.deliveries WHERE number BETWEEN $1 AND $2 AND state=2`, a.seq<<ordinalBits, a.seq<<ordinalBits|maxOrdinal).
			Query(func(rows pgx.Rows) error {
				born[i] = make([]int16, len(a.Routes))
				for rows.Next() {
					var number, fence int64
					if err := rows.Scan(&number, &fence); err != nil {
						return err
					}
					k := number & maxOrdinal
					if k < int64(len(a.Routes)) && fence == a.tag+1+k {
						born[i][k] = running
					}
				}
				return rows.Err()
			})
	}
	if err := x.link.send(ctx, t); err != nil {
		return err
	}
	for i, a := range mine {
		a.answer(x.s.receiptOf(a.intake, a.seq, born[i], r), nil)
	}
	return nil
}

const keepOddBody = `WITH had AS (UPDATE @.quarantine SET copies=copies+1 WHERE source=$1 AND digest=$2 RETURNING 1),
 allow AS (UPDATE @.ids SET conflicts=conflicts+1 WHERE $3::bool AND $12::bool AND source=$1 AND id=$4 AND conflicts<8 AND NOT EXISTS (SELECT FROM had) RETURNING 1),
 new AS (INSERT INTO @.quarantine (number,at,source,reason,size,digest,id,type,head,body)
	SELECT nextval('@.numbers'),$5::bigint,$1,$6::text,$7::bigint,$2,$8::text,$9::text,$10::bytea,$11::bytea
	WHERE $12::bool AND NOT EXISTS (SELECT FROM had) AND (NOT $3::bool OR EXISTS (SELECT FROM allow)) ON CONFLICT (source,digest) DO NOTHING RETURNING 1),
 c AS (INSERT INTO @.counts AS c SELECT 0,$13::bigint,$14::smallint,1,$7::bigint,0 FROM new
	ON CONFLICT (route,member,link) DO UPDATE SET waiting=c.waiting+1, running=c.running+excluded.running)
SELECT EXISTS (SELECT FROM had), EXISTS (SELECT FROM allow), EXISTS (SELECT FROM new)`

// oddOverhead is about how many bytes an entry takes beside its body and head.
const oddOverhead = 256

// keepOdd keeps bodies once, and counts them after that. Odd bodies have a tenth of the
// store at most, so that whoever sends nonsense with a valid signature cannot keep
// events out.
func (x *sender) keepOdd(ctx context.Context, odd []*intake, r reading) error {
	if len(odd) == 0 {
		return nil
	}
	slices.SortFunc(odd, func(a, b *intake) int {
		return cmp.Or(cmp.Compare(a.src.id, b.src.id), bytes.Compare(a.Event.Digest[:], b.Event.Digest[:]))
	})
	type result struct{ had, allowed, made, room bool }
	results := make([]result, len(odd))
	t := x.s.durably()
	room := x.s.fleet.oddRoom()
	for i, a := range odd {
		e := a.Event
		size := int64(len(a.head)+len(e.Request.Body)) + oddOverhead
		if results[i].room = size <= room; results[i].room {
			room -= size
		}
		conflict := a.odd == "" && a.stale == spool.ReasonConflict
		reason := a.odd
		if reason == "" {
			reason = a.stale
		}
		t.do(keepOddBody, a.src.id, e.Digest[:], conflict, e.ID, r.age, reason, size, e.ID, e.Type, a.head, e.Request.Body, results[i].room, x.s.me, x.number).
			QueryRow(func(row pgx.Row) error { return row.Scan(&results[i].had, &results[i].allowed, &results[i].made) })
	}
	began := time.Now()
	if err := x.link.send(ctx, t); err != nil {
		return err
	}
	x.s.committed(began, len(odd))
	for i, a := range odd {
		receipt := spool.Receipt{Verdict: spool.Stale, Reason: a.stale}
		if a.stale == spool.ReasonConflict {
			receipt.Verdict = spool.Conflict
		}
		if a.odd != "" {
			receipt = spool.Receipt{}
		}
		switch res := results[i]; {
		case res.had:
			a.answer(receipt, nil)
		case res.made:
			x.s.fleet.oddGrown(int64(len(a.head)+len(a.Event.Request.Body))+oddOverhead, 1)
			a.answer(receipt, nil)
		case !res.room:
			a.answer(spool.Receipt{}, spool.ErrQuarantineFull)
		case receipt.Verdict == spool.Conflict && !res.allowed:
			x.s.count.conflicts.Add(1)
			a.answer(receipt, nil)
		}
	}
	return nil
}
