//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/verify"
)

const (
	path   = "/webhooks/inbox"
	secret = "a secret of the benchmark, used nowhere else"
	// minBody is the least size that holds what every body does.
	minBody = 224
)

// load is a row of requests, signed and written out beforehand, so that the
// generator's work is not measured. All ids differ, also between loads.
type load struct {
	bytes []byte // everything that differs
	ends  []int  // where each request's part ends
	tail  []byte // what all bodies end in
	size  int    // bytes of a body
}

// makeLoad prepares n requests of the platform with bodies of size bytes.
func makeLoad(n, size int, typ string) *load {
	now := time.Now().UTC().Format(time.RFC3339)
	front := appendFront(nil, 0, typ, now)
	tail := []byte(strings.Repeat("x", max(0, size-len(front)-len(bodyEnd))) + bodyEnd)
	l := &load{size: size, tail: tail, ends: make([]int, 0, n)}
	body := make([]byte, 0, size+64)
	for i := range n {
		front = appendFront(front[:0], i, typ, now)
		body = append(append(body[:0], front...), tail...)
		l.bytes = fmt.Appendf(l.bytes, "POST "+path+" HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Inbox-Webhooks/1.0\r\n"+
			"Content-Type: application/json\r\n"+verify.Header+": %s\r\nContent-Length: %d\r\n\r\n", verify.Sign([]byte(secret), body), len(body))
		l.bytes = append(l.bytes, front...)
		l.ends = append(l.ends, len(l.bytes))
	}
	return l
}

const bodyEnd = `"}}`

// appendFront writes all of a body that differs from the others.
func appendFront(buf []byte, n int, typ, now string) []byte {
	return fmt.Appendf(buf, `{"id":"evt_%016x","type":%q,"created_at":%q,"data":{"message_id":"msg_%010d",`+
		`"to":"+15551234567","delivered_at":%q,"device_id":"dev_`, rand.Uint64(), typ, now, n, now)
}

func (l *load) len() int { return len(l.ends) }

// appendTo writes the nth request into buf.
func (l *load) appendTo(buf []byte, n int) []byte {
	from := 0
	if n > 0 {
		from = l.ends[n-1]
	}
	return append(append(buf, l.bytes[from:l.ends[n]]...), l.tail...)
}
