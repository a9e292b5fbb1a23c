package cli

// Confirm asks a question.
var Confirm = confirm

// Tunnel is tunnel.
var Tunnel = tunnel
