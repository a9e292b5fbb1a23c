//go:build !unix

package cli

// ownerOf names the user to whom a file belongs.
func ownerOf(string) string { return "that started inboxgate" }
