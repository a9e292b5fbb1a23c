package caddymodule

import (
	"context"
	"io"
	"net/http"

	"github.com/inboxgate/inboxgate/verify"
)

// DemoOf plays the demo's story with a platform that cheats. tampered is asked
// about each message: a nil body is never sent and yet answered with status,
// another body is sent in place of the right one, another status than 200 is
// what the story is told.
func DemoOf(ctx context.Context, out io.Writer, tampered func(n int, body []byte) (send []byte, status int)) ([]string, error) {
	d, err := openDemo(out, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	honest, n := d.platform.(*poster), 0
	defer honest.close()
	d.platform = senderFunc(func(ctx context.Context, m message) reply {
		body, status := tampered(n, m.body)
		n++
		if body == nil {
			return reply{status: status, result: resultAccepted}
		}
		if string(body) != string(m.body) {
			m.signature = verify.Sign(d.secret, body)
			m.body = body
		}
		r := honest.send(ctx, m)
		if status != http.StatusOK {
			r.status = status
		}
		return r
	})
	faults := d.tell(ctx)
	return faults, d.close(false)
}
