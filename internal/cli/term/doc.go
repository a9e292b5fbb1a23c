// Package term writes text that people read: with colours and a line that moves
// where it is a terminal, wrapped to its width, and so that a value from elsewhere
// can harm neither a terminal nor a shell.
//
// Guarantee: what is written to a pipe or a file has no colours and no moving
// lines, so that a program can read it. Cell and ShellWord let no control character
// through.
//
// Limits: a rune counts as one column, which is wrong for wide and for combining
// characters. The width is Columns, whatever the window's is.
package term
