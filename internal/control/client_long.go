package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Replay sends events again. It calls f, which may be nil, with each step.
func (c *Client) Replay(ctx context.Context, b Bulk, f func(Step)) (Step, error) {
	return c.follow(ctx, Prefix+"replay", b, f)
}

// DiscardDead lets dead letters go. It calls f, which may be nil, with each step.
func (c *Client) DiscardDead(ctx context.Context, b Bulk, f func(Step)) (Step, error) {
	return c.follow(ctx, Prefix+"dead/discard", b, f)
}

// ReleaseOdd releases entries of quarantine. It calls f, which may be nil, with each
// step.
func (c *Client) ReleaseOdd(ctx context.Context, b Bulk, f func(Step)) (Step, error) {
	return c.follow(ctx, Prefix+"quarantine/release", b, f)
}

// DiscardOdd removes entries of quarantine. It calls f, which may be nil, with each
// step.
func (c *Client) DiscardOdd(ctx context.Context, b Bulk, f func(Step)) (Step, error) {
	return c.follow(ctx, Prefix+"quarantine/discard", b, f)
}

// Compact gives free space back to the file system. It calls f, which may be nil, with
// each step.
func (c *Client) Compact(ctx context.Context, f func(Step)) (Step, error) {
	return c.follow(ctx, Prefix+"store/compact", why{reasonOf(ctx, "")}, f)
}

// follow reads an answer that comes step by step, and returns its last step.
func (c *Client) follow(ctx context.Context, path string, body any, f func(Step)) (last Step, err error) {
	if b, ok := body.(Bulk); ok {
		b.Reason = reasonOf(ctx, b.Reason)
		body = b
	}
	res, err := c.do(ctx, http.MethodPost, path, nil, body)
	if err != nil {
		return last, err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		last = Step{}
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			return last, fmt.Errorf("reading the answer of %s: %w", c.at, err)
		}
		if f != nil {
			f(last)
		}
	}
	switch {
	case lines.Err() != nil:
		return last, fmt.Errorf("reading the answer of %s: %w", c.at, lines.Err())
	case last.Error != "":
		return last, errors.New(last.Error)
	case !last.Done:
		return last, fmt.Errorf("the answer of %s broke off", c.at)
	}
	return last, nil
}

// Backup writes a copy of the store to w. It calls f, which may be nil, with how many
// bytes came, of how many.
func (c *Client) Backup(ctx context.Context, w io.Writer, f func(part, whole int64)) error {
	res, err := c.do(ctx, http.MethodGet, Prefix+"store/backup", nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(w, io.TeeReader(res.Body, &meter{whole: res.ContentLength, f: f}))
	if err == nil && n != res.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("reading the copy: %w", err)
	}
	return nil
}

// meter counts the bytes that are written to it.
type meter struct {
	part, whole int64
	f           func(part, whole int64)
}

func (m *meter) Write(b []byte) (int, error) {
	if m.part += int64(len(b)); m.f != nil {
		m.f(m.part, m.whole)
	}
	return len(b), nil
}
