#!/bin/sh
# A metric plugin in shell: TCP connections by state, from /proc/net/tcp and tcp6.
set -eu
if [ "${MACKEREL_AGENT_PLUGIN_META:-}" = 1 ]; then
    echo '# mackerel-agent-plugin'
    cat <<'JSON'
{"graphs": {"tcp": {"label": "TCP connections", "unit": "integer", "metrics": [
    {"name": "established", "label": "established", "stacked": true},
    {"name": "listen", "label": "listening", "stacked": true},
    {"name": "other", "label": "other", "stacked": true}
]}}}
JSON
    exit
fi
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v now="$(date +%s)" '
    $4 == "01" { established++ }
    $4 == "0A" { listen++ }
    $4 != "01" && $4 != "0A" && $4 != "st" { other++ }
    END {
        printf "tcp.established\t%d\t%d\n", established, now
        printf "tcp.listen\t%d\t%d\n", listen, now
        printf "tcp.other\t%d\t%d\n", other, now
    }'
