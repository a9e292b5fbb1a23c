//go:build linux

package main

import "context"

// row is one line of the goals, measured by one function.
type row struct {
	name  string
	title string
	brief string // the title in a plot
	long  bool   // only with -long
	slow  bool   // not in a smoke run, which others do as well
	run   func(context.Context, *bench) (outcome, error)
}

var rows = []row{
	{name: "s", title: "checking a signature", brief: "signature", run: signature},
	{name: "1", title: "a new event answered: fsynced, its route held, the server on one core", brief: "new event", run: newEvents},
	{name: "1b", title: "the same with two million ids in the store", brief: "2 M ids present", long: true, run: newEventsAmongMany},
	{name: "2", title: "the same beside the documented Express handler, on one core with Redis", brief: "beside Express", run: besideExpress},
	{name: "3", title: "a new event answered at a fixed rate, on two cores", brief: "fixed rate", run: fixedRate},
	{name: "4", title: "one connection, with nothing to share a commit with", brief: "one connection", run: oneConnection},
	{name: "5", title: "a duplicate answered, the server on one core", brief: "duplicate", run: duplicates},
	{name: "6", title: "the whole life of an event: accepted, delivered to an app, settled", brief: "whole life", run: wholeLife},
	{name: "7", title: "catching up after an outage", brief: "catching up", run: catchingUp},
	{name: "8", title: "a million events waiting for a held route", brief: "1 M waiting", long: true, run: manyWaiting},
	{name: "pages", title: "pages of a store with a million events, while new ones are answered", brief: "pages", long: true, run: pagesAmongMany},
	{name: "m", title: "every size of a body and number of connections, the server on one core", brief: "matrix", run: matrix},
	{name: "o", title: "events accepted, delivered and settled in the order of 10,000 keys, without HTTP", brief: "order", run: inOrder},
	{name: "po", title: "the same by PostgreSQL on the same two cores", brief: "PostgreSQL, order", run: onPostgres(postgresInOrder)},
	{name: "p", title: "events stored by PostgreSQL on the same two cores, without HTTP", brief: "PostgreSQL", run: onPostgres(postgresAccepts)},
	{name: "pb", title: "the same with two million ids in the database", brief: "PostgreSQL, 2 M ids", long: true, run: onPostgres(postgresAmongMany)},
	{name: "ps", title: "events accepted and settled, without HTTP", brief: "PostgreSQL, settled", run: onPostgres(postgresLife)},
	{name: "p4", title: "one event at a time, stored by PostgreSQL", brief: "PostgreSQL, one caller", run: onPostgres(postgresOne)},
	{name: "pi", title: "new events answered by ingress processes with PostgreSQL on the same two cores", brief: "PostgreSQL, HTTP", run: onPostgres(ingresses)},
	{name: "pl", title: "the whole life of an event, with two ingress processes and PostgreSQL", brief: "PostgreSQL, life", run: onPostgres(ingressLife)},
	{name: "r", title: "reloads under load", brief: "reloads", slow: true, run: reloads},
}

// tooLong says why a row is left out that was not asked for by name.
func (o options) tooLong(r row) string {
	switch {
	case len(o.rows) > 0:
		return ""
	case r.long && !o.long:
		return "needs -long"
	case r.slow && o.short:
		return "is a test of its own, left out of a smoke run"
	}
	return ""
}
