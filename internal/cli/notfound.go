package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
)

// pointOn returns err with where to look, if it says that there is nothing under a
// reference that belongs to another list.
func (o *operator) pointOn(ctx context.Context, ref control.Ref, err error) error {
	var refused *control.Error
	if !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		return err
	}
	if !ref.Quarantine {
		if strings.HasPrefix(ref.Ref, "msg_") {
			return fmt.Errorf("%w. It looks like the id of a message, whose events %q lists", err, o.program+" events list --message-id "+term.ShellWord(ref.Ref))
		}
		return err
	}
	if n, bad := strconv.ParseInt(ref.Ref, 10, 64); bad == nil {
		if _, missing := o.client.Event(ctx, control.ByNumber(n), false); missing == nil {
			return fmt.Errorf("%w. An event has that number: %q", err, o.program+" events show "+ref.Ref)
		}
	}
	return fmt.Errorf("%w. %q shows the numbers", err, o.program+" quarantine list")
}
