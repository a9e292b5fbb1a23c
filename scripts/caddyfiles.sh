#!/bin/sh
# Checks every Caddyfile of the repository: its form (caddy fmt) and whether the
# sidecar takes it (caddy validate). Those under testdata may be wrong on purpose.
set -eu
cd "$(dirname "$0")/.."

bin=.build/inboxgate
go build -o "$bin" ./sidecar

# validate refuses a secret that is not set; it uses neither this nor the data.
export INBOX_WEBHOOK_SECRET="${INBOX_WEBHOOK_SECRET:-only-for-the-check-of-a-form}"
XDG_DATA_HOME="$(mktemp -d)"
export XDG_DATA_HOME
trap 'rm -rf "$XDG_DATA_HOME"' EXIT

status=0
for file in $(git ls-files -co --exclude-standard -- '*Caddyfile' '*Caddyfile.example' '*.caddyfile' | grep -v testdata/ || true); do
	if ! "$bin" fmt "$file" >"$XDG_DATA_HOME/formatted" 2>/dev/null || ! cmp -s "$file" "$XDG_DATA_HOME/formatted"; then
		echo "$file: not in the form of caddy fmt"
		status=1
	fi
	if ! "$bin" validate --adapter caddyfile --config "$file" >"$XDG_DATA_HOME/said" 2>&1; then
		echo "$file: not valid"
		tail -n 3 "$XDG_DATA_HOME/said"
		status=1
	fi
done
exit $status
