#!/bin/sh
# One container that watches the host it runs on: the host's trees are mounted read-only at /host,
# --uts=host gives its name. It runs as nobody, without a capability, in 16 MiB; the volume keeps
# the host's id and what could not be posted yet. 40 seconds to stop are enough to deliver what
# waits. Needs MACKEREL_APIKEY in the environment, never on the command line.
: "${MACKEREL_APIKEY:?export it first}"
docker run --detach --name mackerel-agent --restart unless-stopped \
    --read-only --cap-drop ALL --security-opt no-new-privileges \
    --memory 16m --pids-limit 64 --stop-timeout 40 \
    --uts host --volume /:/host:ro,rslave --env HOST_ROOT=/host --env MACKEREL_CONTAINER_METRICS=none \
    --volume mackerel-agent:/var/lib/mackerel-agent \
    --env MACKEREL_APIKEY \
    mackerel-agent:0.1.0
