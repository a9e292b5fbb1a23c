//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/postgres"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// oneByOne stores events in the tables of the engine as one would do it first: one
// statement for each event, a connection for each caller, and no more than what makes an
// id known once. It checks no watermark, counts nothing and knows no holds.
type oneByOne struct {
	conns []*pgx.Conn
	sql   string
	route int64
}

const oneEvent = `WITH n AS (INSERT INTO %[1]s.ids(source,id,digest,seq,tag,created,base) VALUES ($1,$2,$3,nextval('%[1]s.numbers'),0,$4,$5)
	ON CONFLICT DO NOTHING RETURNING seq),
 e AS (INSERT INTO %[1]s.events(seq,at,source,id,type,head,body) SELECT seq,$5,$1,$2,$6,$7,$8 FROM n)
INSERT INTO %[1]s.deliveries(number,route,state,fence,due,until) SELECT seq<<12,$9,2,1,$5,$10 FROM n`

func openOneByOne(ctx context.Context, dsn string, conns int) (o *oneByOne, err error) {
	store, err := postgres.Open(ctx, dsn, postgres.Options{})
	if err != nil {
		return nil, err
	}
	schema := store.Target().Schema
	err = store.Configure(ctx, owner, source, []spool.RouteName{{Name: engineRoute}})
	if err := errors.Join(err, store.Close()); err != nil {
		return nil, err
	}
	o = &oneByOne{sql: fmt.Sprintf(oneEvent, schema)}
	for range conns {
		c, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return nil, errors.Join(err, o.close())
		}
		o.conns = append(o.conns, c)
	}
	err = o.conns[0].QueryRow(ctx, `SELECT route FROM `+schema+`.names WHERE name=$1`, engineRoute).Scan(&o.route)
	return o, err
}

func (o *oneByOne) accept(ctx context.Context, caller int, e *spool.Event) error {
	now := time.Now()
	tag, err := o.conns[caller].Exec(ctx, o.sql, 1, e.ID, e.Digest[:], e.CreatedAt.UnixNano(), now.UnixNano(), e.Type,
		record.EncodeHead(e, now), e.Request.Body, o.route, now.Add(leaseFor).UnixNano())
	if err == nil && tag.RowsAffected() != 1 {
		err = errors.New("an event was not stored")
	}
	return err
}

func (o *oneByOne) close() (err error) {
	for _, c := range o.conns {
		err = errors.Join(err, c.Close(context.Background()))
	}
	return err
}
