#!/bin/sh
# A check in shell: WARNING if more tasks have waited for a CPU than there are CPUs, CRITICAL if
# four times as many.
set -eu
read -r load _ </proc/loadavg
cpus=$(nproc)
echo "load average $load, $cpus CPUs"
awk -v load="$load" -v cpus="$cpus" 'BEGIN { exit load > 4 * cpus ? 2 : load > cpus ? 1 : 0 }'
