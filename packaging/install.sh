#!/bin/sh
# Installs mackerel-agent, or a newer release of it, as a service of this host:
#
#     export MACKEREL_APIKEY=<your API key>
#     curl --proto '=https' -fsSL @RELEASES@/latest/download/install.sh | sudo -E sh
#
# Without MACKEREL_APIKEY it asks for the key, unless the configuration has one. What follows
# `sh -s --` is passed on to `mackerel-agent install`. More variables:
#
#     MACKEREL_AGENT_VERSION   the release to install, e.g. 0.1.0; the newest one without
#     MACKEREL_AGENT_RELEASES  https:// URL of a mirror of the releases
#     MACKEREL_AGENT_FILE      a program that is here already, with SHA256SUMS beside it
#     MACKEREL_AGENT_ARCH      amd64, arm64, armv7 or armv6, if not what this machine looks like
#
# The braces make the shell read to the last line before it runs the first one: a download that is
# cut does nothing.
{
set -eu

# Set by `make release`.
RELEASES='@RELEASES@'

say() {
    echo "install: $*"
}

die() {
    echo "install: $*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# --- what runs here -------------------------------------------------------------------------------

# The programs of this system, not the kernel: a service manager of 32 bits lets nothing of 64 run.
is_32_bit() {
    [ "$(dd if=/proc/self/exe bs=1 skip=4 count=1 2>/dev/null)" = "$(printf '\001')" ]
}

architecture() {
    machine=$(uname -m)
    case $machine in
    x86_64 | amd64)
        ! is_32_bit || die "there is no program for 32-bit x86"
        echo amd64
        ;;
    aarch64 | arm64)
        if is_32_bit; then echo armv7; else echo arm64; fi
        ;;
    armv7* | armv8*) echo armv7 ;;
    # Raspberry Pi 1 and Zero
    armv6*) echo armv6 ;;
    *) die "there is no program for $machine" ;;
    esac
}

# --- getting it -----------------------------------------------------------------------------------

# URL FILE: downloads over TLS alone, also where a server redirects. INSTALL_TEST_HTTP=yes is
# for tests: then a server on this machine may do without.
fetch() {
    scheme=https
    case $1,${INSTALL_TEST_HTTP:-} in
    *@*) die "$1: a URL of releases has no user name" ;;
    https://*) ;;
    http://127.0.0.1:*,yes) scheme=http ;;
    *) die "$1 does not begin with https://: set MACKEREL_AGENT_RELEASES to a URL that does" ;;
    esac
    if has curl; then
        curl -fsSL --proto "=$scheme" --proto-redir "=$scheme" --tlsv1.2 --retry 2 --connect-timeout 20 \
            --speed-limit 100 --speed-time 60 -o "$2" "$1"
    elif [ $scheme = http ]; then
        wget -q -O "$2" "$1"
    elif wget --version 2>/dev/null | grep -q '^GNU Wget'; then
        # It has no option against a redirection to http://, which this proxy, where nothing
        # listens, makes fail.
        wget -q --timeout=60 --tries=3 -e use_proxy=on -e http_proxy=http://127.0.0.1:1 -e no_proxy= -O "$2" "$1"
    elif has wget; then
        die "this wget cannot be kept from plain http: install curl or GNU wget, or name a file by MACKEREL_AGENT_FILE"
    else
        die "curl is missing: install it, or name a file by MACKEREL_AGENT_FILE"
    fi || die "cannot download $1"
}

sha256() {
    if has sha256sum; then
        sha256sum <"$1"
    elif has openssl; then
        openssl dgst -sha256 -r <"$1"
    else
        die "neither sha256sum nor openssl is here: the download cannot be checked"
    fi | cut -d ' ' -f 1
}

# FILE NAME SUMS: dies unless SUMS says that NAME has the digest of FILE.
verify() {
    wanted=$(awk -v name="$2" '$2 == name || $2 == "*" name { print $1; exit }' "$3")
    [ -n "$wanted" ] || die "$3 does not have $2"
    found=$(sha256 "$1")
    [ "$wanted" = "$found" ] || die "$2 is not what it should be: its SHA-256 is $found, not $wanted"
}

# Makes $work, a directory in which programs can be started.
make_work() {
    for place in "${TMPDIR:-/tmp}" /var/tmp /root; do
        # The name is known before the directory is there, so that it goes whatever interrupts this.
        work=$(mktemp -u "$place/mackerel-agent.XXXXXX" 2>/dev/null) || continue
        mkdir -m 700 "$work" 2>/dev/null || continue
        printf '#!/bin/sh\n' >"$work/program"
        chmod 755 "$work/program"
        ! "$work/program" 2>/dev/null || return 0
        rm -rf "$work"
    done
    work=''
    die "no directory for temporary files lets programs start; TMPDIR names another"
}

clean() {
    if [ -n "$quiet" ]; then
        stty "$quiet" </dev/tty
        echo >/dev/tty
    fi
    [ -z "$work" ] || rm -rf "$work"
}

# --- the key --------------------------------------------------------------------------------------

# Whether there is one already; it may be in a file that the configuration includes.
has_key() {
    "$program" configtest >/dev/null 2>&1 || grep -Eqs '^[[:space:]]*"?apikey(_file)?"?[[:space:]]*=[[:space:]]*["'\''][^"'\'']' \
        /etc/mackerel-agent/mackerel-agent.conf
}

ask_for_key() {
    # shellcheck disable=SC2217 # whether it opens
    (: </dev/tty) 2>/dev/null ||
        die "there is no API key, and no terminal to ask for it: export MACKEREL_APIKEY"
    quiet=$(stty -g </dev/tty)
    stty -echo </dev/tty
    printf 'API key of your Mackerel organization: ' >/dev/tty
    read -r MACKEREL_APIKEY </dev/tty || true
    stty "$quiet" </dev/tty
    quiet=''
    echo >/dev/tty
    [ -n "$MACKEREL_APIKEY" ] || die "there is no API key"
}

# --------------------------------------------------------------------------------------------------

main() {
    work=''
    quiet=''
    trap clean EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    umask 022

    [ "$(id -u)" = 0 ] || die "this needs root: … | sudo -E sh"
    [ "$(uname -s)" = Linux ] || die "this is for Linux"
    arch=${MACKEREL_AGENT_ARCH:-$(architecture)}
    name=mackerel-agent_linux_$arch
    version=${MACKEREL_AGENT_VERSION:-}
    version=${version#v}
    say "the program for this machine is $name"

    make_work
    program=$work/program
    if [ -n "${MACKEREL_AGENT_FILE:-}" ]; then
        [ -r "$MACKEREL_AGENT_FILE" ] || die "cannot read $MACKEREL_AGENT_FILE"
        sums=$(dirname "$MACKEREL_AGENT_FILE")/SHA256SUMS
        [ -r "$sums" ] || die "there is no $sums: the program cannot be checked"
        name=$(basename "$MACKEREL_AGENT_FILE")
        cat "$MACKEREL_AGENT_FILE" >"$program"
    else
        base=${MACKEREL_AGENT_RELEASES:-$RELEASES}
        case $base in *://*) ;; *) die "MACKEREL_AGENT_RELEASES is missing: set it to the https:// URL of releases" ;; esac
        if [ -n "$version" ]; then
            base=${base%/}/download/v$version
        else
            base=${base%/}/latest/download
        fi
        sums=$work/SHA256SUMS
        fetch "$base/SHA256SUMS" "$sums"
        say "downloading $base/$name"
        fetch "$base/$name" "$program"
    fi
    verify "$program" "$name" "$sums"
    said=$("$program" version) || die "$name does not run on this machine"
    case $said in
    "mackerel-agent version ${version:+$version }"*) ;;
    *) die "$name is not version $version: $said" ;;
    esac
    say "its SHA-256 is right; it is ${said% (rev*}"

    [ -n "${MACKEREL_APIKEY:-}" ] || has_key || ask_for_key
    if [ -n "${MACKEREL_APIKEY:-}" ]; then
        export MACKEREL_APIKEY
    fi
    # Whatever goes wrong, or interrupts it, it undoes; so that it alone says how it ended.
    trap : INT TERM HUP
    "$program" install "$@" </dev/null
}

main "$@"
exit
}
