// Package machines runs several real inboxgate processes on one PostgreSQL for a test:
// a primary, a standby where one is asked for, the processes of each machine one after
// the other, apps behind their routes, a sender before them, and one record of all.
//
// Guarantee: what a test started has ended when the test ends. Report judges the acks of
// all machines together with what the database has in the end, read by SQL and not by the
// engine.
//
// Limits: Linux. Ids and moments come from the seed; what the machine makes of them does
// not. How long nobody works is measured by this process; where it was kept from running
// itself, more is allowed.
package machines
