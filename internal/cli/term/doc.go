// Package term writes text for people: whether somebody looks at it, in which
// colours, how wide, and so that what it holds can harm neither a terminal nor a
// shell.
//
// Guarantee: into a pipe or a file goes plain text, without colours or moving
// lines, so that a program can read it.
package term
