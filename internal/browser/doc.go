// Package browser has no code but tests: it uses the operator's pages of the real
// program as a person does, in a real browser.
//
// Guarantee: every page is looked at in light and dark at four widths, without a fault
// that axe-core finds, a line in the console, a report of its policy, or a request to
// another origin. Each story is told with the mouse, with the keyboard alone, and
// without JavaScript.
//
// Limits: one browser, Chromium, in English, on Linux. It is a module of its own, and
// knows the program by its addresses and pages alone.
package browser
