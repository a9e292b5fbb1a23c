// Package desk is where one plays with a demonstration that runs: apps behind
// inboxgate whose behaviour is switched while they take events, and what the platform
// can be made to send. It is the same table of switches for a page and for the keys of
// a terminal.
//
// Guarantee: a request is counted, with the answer it gets, before it is answered; in
// every mode one without a valid signature gets 401. A switch ends what an app keeps
// waiting. Nothing changes by a GET, nor by a POST of another page.
//
// Limits: it is made for one machine, and everybody on this machine may use it. An app
// remembers the counts and the latest arrivals only.
package desk
