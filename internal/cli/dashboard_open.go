package cli

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// errNoBrowser is the error of a machine without a browser.
var errNoBrowser = errors.New("this machine has no program that opens one")

// linkPage leads to a link.
var linkPage = template.Must(template.New("link").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>inboxgate</title><meta http-equiv="refresh" content="0; url={{.}}"></head>
<body><p><a href="{{.}}">Go on to the dashboard</a></p></body>
</html>
`))

// openLink opens a link in the browser. The link is not an argument of the browser, which
// the list of processes would show to every user of the machine, but in a file that only
// this user may read; leave removes it.
func openLink(ctx context.Context, link string) (leave func(), err error) {
	program, args := opener(runtime.GOOS)
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, errNoBrowser
	}
	dir, err := os.MkdirTemp("", "inboxgate-") // For its owner alone.
	if err != nil {
		return nil, fmt.Errorf("writing the link: %w", err)
	}
	leave = func() { _ = os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			leave()
		}
	}()
	file := filepath.Join(dir, "dashboard.html")
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("writing the link: %w", err)
	}
	err = linkPage.Execute(f, link)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, fmt.Errorf("writing the link: %w", err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), path, append(args, file)...) // Ctrl-C leaves the browser.
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	go func() { _ = cmd.Wait() }()
	return leave, nil
}

// opener returns the program that opens a file in the browser.
func opener(system string) (program string, args []string) {
	switch system {
	case "darwin":
		return "open", nil
	case "windows":
		return "rundll32", []string{"url.dll,FileProtocolHandler"}
	}
	return "xdg-open", nil
}
