package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/internal/platform/emulator"
)

// speed makes the platform's first retry come after 50 ms.
const speed = 600

// localPlatform is the emulator in this process, with its API on loopback. The demo
// asks over HTTP for what a user would ask the platform for.
type localPlatform struct {
	emulator *emulator.Emulator
	client   *platform.Client
	webhook  platform.Webhook

	end    context.CancelFunc // ends the API
	served chan error         // how serving it ended
}

// openPlatform starts the emulator. transport carries its requests; nil is its own.
func openPlatform(transport http.RoundTripper) (*localPlatform, error) {
	e, err := emulator.New(emulator.Options{Speed: speed, Transport: transport})
	if err != nil {
		return nil, fmt.Errorf("starting the emulator: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the emulator: %w", err), e.Close())
	}
	e.Start()
	ctx, end := context.WithCancel(context.Background())
	p := &localPlatform{
		emulator: e,
		// No proxy: it could not reach this machine's loopback.
		client: &platform.Client{BaseURL: "http://" + l.Addr().String(), Key: e.Key(), HTTP: &http.Client{Transport: &http.Transport{}}},
		end:    end, served: make(chan error, 1),
	}
	go func() { p.served <- e.Serve(ctx, l) }()
	return p, nil
}

// register registers a webhook that sends to url.
func (p *localPlatform) register(ctx context.Context, url string) (err error) {
	p.webhook, err = p.client.Create(ctx, platform.Registration{URL: url, Events: event.Types(), Description: "the demo"})
	if err != nil {
		return fmt.Errorf("registering the webhook: %w", err)
	}
	return nil
}

// send has the emulator send events to the webhook, and returns what became of them
// as soon as each is answered or given up.
func (p *localPlatform) send(ctx context.Context, r emulator.SendRequest) ([]emulator.Sent, error) {
	ctx, cancel := context.WithTimeout(ctx, while)
	defer cancel()
	r.WebhookID = p.webhook.ID
	job, err := p.emulator.SendAll(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("sending: %w", err)
	}
	var sent []emulator.Sent
	for _, one := range p.emulator.State().Sent {
		if one.JobID == job.ID {
			sent = append(sent, one)
		}
	}
	return sent, nil
}

// close ends the API and the emulator.
func (p *localPlatform) close() error {
	p.end()
	err := <-p.served
	p.client.HTTP.CloseIdleConnections()
	if err = errors.Join(err, p.emulator.Close()); err != nil {
		return fmt.Errorf("stopping the emulator: %w", err)
	}
	return nil
}
