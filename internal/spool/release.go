package spool

import (
	"encoding/hex"
	"errors"
)

// ErrReleased means that the same body was in quarantine and was released: it is an
// event now, and this is a copy of it.
var ErrReleased = errors.New("the body was released from quarantine")

// maxID is the length in bytes of the longest id that the platform may give.
const maxID = 256

// ReleaseID returns the id under which a quarantined body becomes an event. It has its
// own where that is beyond doubt; where that is another body's, or there is none,
// it gets one from its digest.
func ReleaseID(e *Event, reason string) string {
	digest := hex.EncodeToString(e.Digest[:8])
	switch {
	case e.ID == "":
		return "body:" + digest
	case reason == ReasonConflict:
		return e.ID[:min(len(e.ID), maxID-len(digest)-1)] + "~" + digest
	}
	return e.ID
}
