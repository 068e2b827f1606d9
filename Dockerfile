# The image: the agent's binary, the notices of what it is linked with, a directory for its state,
# and nothing else. One build makes it for every platform:
#
#     docker buildx build --platform linux/amd64,linux/arm64,linux/arm/v7,linux/riscv64 .
#
# or `make image-all`, with whichever of docker buildx, buildah and podman there is. Every platform
# is compiled on the machine that builds, by the scripts of `make dist`; nothing is emulated.
# `make image-pin` writes the digests of the base images here.
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm
# A distroless static base serves too, except for arm/v6, which has none:
# --build-arg RUNTIME_IMAGE=gcr.io/distroless/static-debian12:nonroot
ARG RUNTIME_IMAGE=scratch

# --- tools and crates: once for all platforms -----------------------------------------------------
FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS tools
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends python3 python3-pip >/dev/null \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY cross/apt cross/rust cross/setup cross/targets cross/toolchain cross/tools.txt cross/
COPY Cargo.toml Cargo.lock ./
# Of the workspace's other package the manifest alone is needed.
COPY tests/fake-server/Cargo.toml tests/fake-server/
# cargo fetches for a package only if there is one.
RUN --mount=type=cache,id=mackerel-agent-registry,target=/usr/local/cargo/registry,sharing=locked \
    mkdir src && touch src/main.rs && cross/setup build && rm -r src

# --- one platform's binary ------------------------------------------------------------------------
FROM tools AS build
ARG TARGETARCH TARGETVARIANT
COPY . .
# Written into the binary; seconds since 1970 for the times of its files; a name, to compile from
# nothing in a folder of that name.
ARG REVISION=unknown
ARG SOURCE_DATE_EPOCH=0
ARG FRESH=
# Of a release, so that the binary is that of dist/; nothing where they are not given.
ARG MACKEREL_AGENT_RELEASES MACKEREL_AGENT_RELEASE_KEY
# The sources are copied anew, because cargo goes by their times, and each platform has a folder of
# its own in the cache, because a builder may make several at once. Builds of two checkouts wait for
# each other there.
RUN --mount=type=cache,id=mackerel-agent-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=mackerel-agent-build,target=/build \
    set -eu; begin=$(date +%s); \
    at=/build/$TARGETARCH$TARGETVARIANT; [ -z "$FRESH" ] || at=/tmp/$FRESH; \
    mkdir -p "$at/target"; exec 9>"$at.lock"; flock 9; \
    find "$at" -mindepth 1 -maxdepth 1 ! -name target -exec rm -r {} +; \
    rm -rf "$at/target/tools"; ln -s /src/target/tools "$at/target/tools"; \
    cp -R .cargo Cargo.lock Cargo.toml LICENSE cross packaging src tests "$at"; \
    cd "$at"; \
    MACKEREL_AGENT_REVISION=$REVISION SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH cross/build "$TARGETARCH/$TARGETVARIANT"; \
    install -D -m 755 dist/mackerel-agent_linux_* /out/usr/bin/mackerel-agent; \
    cross/sbom dist/sbom.json dist/notices; \
    install -d /out/usr/share/doc/mackerel-agent; \
    gzip -9n <dist/notices >/out/usr/share/doc/mackerel-agent/THIRD-PARTY-NOTICES.gz; \
    install -d -m 770 -o 65534 -g 0 /out/var/lib/mackerel-agent; \
    find /out -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +; \
    [ -z "$FRESH" ] || rm -r "$at"; \
    echo "image: $TARGETARCH${TARGETVARIANT:+/$TARGETVARIANT} took $(($(date +%s) - begin)) s"

# --- the image ------------------------------------------------------------------------------------
FROM ${RUNTIME_IMAGE}
# Owners and times are those of /out: the state is open to group 0, for platforms that choose the
# user (OpenShift).
COPY --from=build /out /
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mackerel-agent" \
      org.opencontainers.image.description="A host agent for Mackerel, for tiny machines: one static binary." \
      org.opencontainers.image.documentation="https://mackerel.io/docs/" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# As Podman sets it, so that a command that an engine starts in the container takes the same
# settings as process 1.
ENV container=oci
USER 65534:65534
# Whether it measures, and the server takes what it posts. buildah and podman leave this out of OCI
# images; cross/repack puts it in.
HEALTHCHECK --interval=60s --timeout=5s --start-period=90s CMD ["/usr/bin/mackerel-agent", "health"]
# The agent handles TERM, and reaps, as process 1.
ENTRYPOINT ["/usr/bin/mackerel-agent"]
