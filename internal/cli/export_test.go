package cli

// Confirm asks a question.
var Confirm = confirm
