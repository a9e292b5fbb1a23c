package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Streamed is what a stream brings.
type Streamed struct {
	// Kind is StreamEvent, StreamEnded or StreamGap.
	Kind string
	// Event is the event as a list shows it, without its body; that of a gap is empty.
	Event Event
	// Gap is nil but for a gap.
	Gap *Gap
}

// maxMessage bounds one message of a stream in bytes.
const maxMessage = 8 << 20

// Stream calls f with each new event that a filter chooses, and with each of which a
// delivery has ended, until ctx ends or f fails, with what it fails. It begins after the
// event of that number; below 0, with what comes from now on. It returns io.EOF where
// the process stops: call again, after the last event that came.
func (c *Client) Stream(ctx context.Context, filter Filter, after int64, f func(Streamed) error) error {
	v := filter.values()
	if after >= 0 {
		v.Set("after", strconv.FormatInt(after, 10))
	}
	res, err := c.do(ctx, http.MethodGet, Prefix+"events/stream", v, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxMessage)
	kind := ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			kind = value
		case "data":
			s := Streamed{Kind: kind}
			var into any = &s.Event
			if kind == StreamGap {
				s.Gap = new(Gap)
				into = s.Gap
			}
			if err := json.Unmarshal([]byte(value), into); err != nil {
				return fmt.Errorf("reading the stream of %s: %w", c.at, err)
			}
			if err := f(s); err != nil {
				return err
			}
		}
	}
	if err := errors.Join(ctx.Err(), lines.Err()); err != nil {
		return fmt.Errorf("reading the stream of %s: %w", c.at, err)
	}
	return io.EOF
}
