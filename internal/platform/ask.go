package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// maxAnswer bounds what is read of one answer, in bytes. The longest log of an
// emulator is about a quarter of it.
const maxAnswer = 16 << 20

// ask makes one request and returns the body of its 2xx answer, nil where it has none.
func (c *Client) ask(ctx context.Context, method, path string, body any) ([]byte, error) {
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	client := c.client()
	resp, err := client.Do(req)
	if err != nil {
		return nil, c.unanswered(req, err, client)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, c.unanswered(req, err, client)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, c.refused(resp, answer)
	}
	if len(answer) > maxAnswer {
		return nil, fmt.Errorf("reading answer of %s: it is longer than %d MiB", where(req), maxAnswer>>20)
	}
	if len(answer) == 0 || method == http.MethodDelete {
		return nil, nil
	}
	if !isJSON(answer) {
		return nil, fmt.Errorf("reading answer of %s: it is not JSON (%s): is INBOX_API_URL right?", where(req), kind(resp))
	}
	return answer, nil
}

// request returns a request of the API, with the key.
func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	if c.Key == "" {
		return nil, ErrNoKey
	}
	// net/http would refuse it too, in words that do not say what to do.
	if strings.ContainsFunc(c.Key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the API key holds a space or a character that no key has: check INBOX_API_KEY")
	}
	base, err := c.base()
	if err != nil {
		return nil, err
	}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding request: %w", err)
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, content)
	if err != nil {
		return nil, fmt.Errorf("making request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Key)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "inboxgate")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// base returns the API's address without a slash at its end.
func (c *Client) base() (string, error) { return CheckURL(c.BaseURL) }

// CheckURL returns an address of the API as a Client uses it, or says why it is none.
// Empty stands for DefaultURL.
func CheckURL(base string) (string, error) {
	if base == "" {
		base = DefaultURL
	}
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", fmt.Errorf("the API's address %q is no http or https URL: check INBOX_API_URL", oneLine(base))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("the API's address may have a host and a path only: check INBOX_API_URL")
	}
	return strings.TrimSuffix(base, "/"), nil
}

// client returns a client that follows no redirects and has a timeout.
func (c *Client) client() *http.Client {
	client := http.Client{}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	if client.Timeout == 0 {
		client.Timeout = DefaultTimeout
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// webhookPath returns the path of a webhook. It refuses an id that would lead to
// another path.
func webhookPath(id string) (string, error) {
	if id == "" || id == "." || id == ".." || strings.Contains(id, "/") {
		return "", fmt.Errorf("%q is no webhook id: they look like wh_1234567890", oneLine(id))
	}
	return "/v1/webhooks/" + url.PathEscape(id), nil
}

// where returns the address of a request, which has neither key nor query.
func where(req *http.Request) string { return req.URL.Scheme + "://" + req.URL.Host }

// unanswered returns the error of a failed request as one clear line.
func (c *Client) unanswered(req *http.Request, err error, client *http.Client) error {
	var asURL *url.Error
	timeout := errors.As(err, &asURL) && asURL.Timeout()
	var asTimeout interface{ Timeout() bool }
	timeout = timeout || errors.As(err, &asTimeout) && asTimeout.Timeout()
	switch {
	case req.Context().Err() != nil:
		return fmt.Errorf("asking %s: %w", where(req), context.Cause(req.Context()))
	case timeout:
		return fmt.Errorf("asking %s: no answer within %v", where(req), client.Timeout)
	case asURL != nil:
		err = asURL.Err
	}
	return fmt.Errorf("asking %s: %w", where(req), &foreignError{c.clean(err.Error()), err})
}

// foreignError is an error with a cleaned text: some errors quote what the server
// sent.
type foreignError struct {
	text string
	err  error
}

func (e *foreignError) Error() string { return e.text }
func (e *foreignError) Unwrap() error { return e.err }

const (
	// longKey is the length in bytes from which a key stands in no text by chance.
	longKey = 16
	// shortKey is the length in bytes below which a key may be any word of an error.
	shortKey = 8
)

// clean returns text as oneLine does, and without the key, should the server have
// echoed it. A key shorter than longKey is taken out only where it stands alone, and one
// shorter than shortKey nowhere: nothing issues such keys, and the key "wrong" must
// not hide what is wrong.
func (c *Client) clean(s string) string {
	if len(c.Key) < shortKey {
		return oneLine(s)
	}
	if len(c.Key) >= longKey {
		return oneLine(strings.ReplaceAll(s, c.Key, "[key]"))
	}
	var b strings.Builder
	for rest, before := s, ' '; ; {
		i := strings.Index(rest, c.Key)
		if i < 0 {
			b.WriteString(rest)
			return oneLine(b.String())
		}
		if i > 0 {
			before, _ = utf8.DecodeLastRuneInString(rest[:i])
		}
		after, _ := utf8.DecodeRuneInString(rest[i+len(c.Key):])
		b.WriteString(rest[:i])
		if inWord(before) || inWord(after) {
			b.WriteString(c.Key)
		} else {
			b.WriteString("[key]")
		}
		before, _ = utf8.DecodeLastRuneInString(c.Key)
		rest = rest[i+len(c.Key):]
	}
}

// inWord reports whether a character is part of a word.
func inWord(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
