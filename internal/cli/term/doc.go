// Package term writes text that people read: with colours and a line that moves
// where it is a terminal, wrapped to its width, and so that a value from elsewhere
// can harm neither a terminal nor a shell. It also reads single keys of one.
//
// Guarantee: what is written to a pipe or a file has no colours and no moving
// lines, so that a program can read it. Cell and ShellWord let no control character
// through. Nothing is read of what is no terminal, and Close of Keys leaves one as it
// was.
//
// Limits: a rune counts as one column, which is wrong for wide and for combining
// characters. The width is Columns, whatever the window's is. A
// process that is killed leaves the terminal without echo, and Windows has no Keys.
package term
