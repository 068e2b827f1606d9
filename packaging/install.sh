#!/bin/sh
# Installs mackerel-agent, or a newer release of it, as a service of this host:
#
#     export MACKEREL_APIKEY=<your API key>
#     curl --proto '=https' -fsSL @RELEASES@/latest/download/install.sh |
#         sudo --preserve-env=MACKEREL_APIKEY sh
#
# Without MACKEREL_APIKEY it asks for the key, unless the configuration has one. What follows
# `sh -s --` is passed on to `mackerel-agent install`. More variables:
#
#     MACKEREL_AGENT_VERSION   the release to install, e.g. 0.1.0; the newest one without
#     MACKEREL_AGENT_RELEASES  https:// URL of a mirror of the releases
#     MACKEREL_AGENT_FILE      a program that is here already, with SHA256SUMS beside it
#     MACKEREL_AGENT_ARCH      the program, such as amd64 or armv6, if not what this machine looks like
#
# `sh -s -- -repository [URL]` adds the package repository for apt, dnf, yum or apk instead, and
# installs the package from it. URL is a mirror of it, or a repository of your own.
#
#     -dry-run  prints what it would do, and changes nothing
#     -remove   removes the repository again; the package stays
#     MACKEREL_AGENT_REPOSITORY_KEY      SHA-256 of the key file of a repository of your own
#     MACKEREL_AGENT_REPOSITORY_APK_KEY  the same of Alpine's key file
#
# The braces make the shell read to the last line before it runs the first one: a download that is
# cut does nothing.
{
set -eu

# Set by `make release`.
RELEASES='@RELEASES@'
# The repository's URL, and the SHA-256 of the files with its keys; empty if the release has none.
REPOSITORY='@REPOSITORY@'
REPOSITORY_KEY='@REPOSITORY_KEY@'
REPOSITORY_APK_KEY='@REPOSITORY_APK_KEY@'

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

# needs WORD: dies unless /proc/cpuinfo has it.
needs() {
    grep -qw "$1" /proc/cpuinfo || die "there is no program for this processor: it has no $1"
}

architecture() {
    machine=$(uname -m)
    case $machine in
    x86_64 | amd64)
        if is_32_bit; then echo 386; else echo amd64; fi
        ;;
    i[3456]86)
        needs sse2
        echo 386
        ;;
    aarch64 | arm64)
        if is_32_bit; then echo armv7; else echo arm64; fi
        ;;
    armv7* | armv8*) echo armv7 ;;
    # Raspberry Pi 1 and Zero
    armv6*) echo armv6 ;;
    riscv64 | s390x | ppc64le)
        ! is_32_bit || die "there is no program for 32-bit systems on $machine"
        echo "$machine"
        ;;
    *) die "there is no program for $machine" ;;
    esac
}

# --- getting it -----------------------------------------------------------------------------------

# URL FILE [WHAT]: downloads over TLS alone, also where a server redirects. WHAT names
# the URL in an error. INSTALL_TEST_HTTP=yes is for tests: then a server on this machine may do
# without.
fetch() {
    scheme=https
    case $1,${INSTALL_TEST_HTTP:-} in
    *@*) die "$1: a URL of releases has no user name" ;;
    https://*) ;;
    http://127.0.0.1:*,yes) scheme=http ;;
    *) die "$1 does not begin with https://: set ${3:-MACKEREL_AGENT_RELEASES} to a URL that does" ;;
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

# shellcheck disable=SC2329 # a trap calls it
clean() {
    if [ -n "$quiet" ]; then
        stty "$quiet" </dev/tty
        echo >/dev/tty
    fi
    [ -z "$half" ] || rm -f "$half"
    hand_back
    undo
    [ -z "$work" ] || rm -rf "$work"
}

# --- the key --------------------------------------------------------------------------------------

# Whether there is one already; it may be in a file that the configuration includes.
has_key() {
    "$program" configtest >/dev/null 2>&1 || grep -Eqs '^[[:space:]]*"?apikey(_file)?"?[[:space:]]*=[[:space:]]*["'\''][^"'\'']' \
        "$root/etc/mackerel-agent/mackerel-agent.conf"
}

# One on which a key can be typed without being shown.
has_terminal() {
    # shellcheck disable=SC2217 # whether it opens
    has stty && (: </dev/tty) 2>/dev/null
}

ask_for_key() {
    has_terminal || die "there is no API key, and no terminal with stty to ask for it: export MACKEREL_APIKEY"
    quiet=$(stty -g </dev/tty)
    stty -echo </dev/tty
    printf 'API key of your Mackerel organization: ' >/dev/tty
    read -r MACKEREL_APIKEY </dev/tty || true
    stty "$quiet" </dev/tty
    quiet=''
    echo >/dev/tty
    [ -n "$MACKEREL_APIKEY" ] || die "there is no API key"
}

# --- a package repository ---------------------------------------------------------------------------

PACKAGE=mackerel-agent-small

# The package manager of this distribution; others may be installed besides.
package_manager() {
    for file in /etc/os-release /usr/lib/os-release; do
        [ -r "$root$file" ] || continue
        # shellcheck disable=SC1090 # variables
        likes=$(. "$root$file" && echo "${ID:-} ${ID_LIKE:-}")
        for like in $likes; do
            case $like in
            debian | ubuntu) echo apt && return ;;
            fedora | rhel | centos | amzn) if has dnf; then echo dnf; else echo yum; fi && return ;;
            alpine) echo apk && return ;;
            esac
        done
        break
    done
    die "the repository is for apt, dnf, yum and apk, and this distribution (${likes:-without /etc/os-release}) is known for none of them: install without -repository"
}

# Where the files of the package manager are.
name_files() {
    case $manager in
    apt)
        key_file=/etc/apt/keyrings/$PACKAGE.asc
        source_file=/etc/apt/sources.list.d/$PACKAGE.sources
        purge="apt-get purge $PACKAGE"
        ;;
    dnf | yum)
        key_file=/etc/pki/rpm-gpg/RPM-GPG-KEY-$PACKAGE
        source_file=/etc/yum.repos.d/$PACKAGE.repo
        purge="$manager remove $PACKAGE"
        ;;
    apk)
        key_file=/etc/apk/keys/$key_name
        source_file=/etc/apk/repositories
        purge="apk del $PACKAGE"
        ;;
    esac
}

# The configuration of the package manager. Those of apt and dnf are in packaging/deb and
# packaging/rpm as well.
source_text() {
    case $manager in
    apt)
        cat <<SOURCES
# Packages of $PACKAGE; apt accepts only what this key has signed.
Types: deb
URIs: $url/apt
Suites: stable
Components: main
Signed-By: $key_file
SOURCES
        ;;
    dnf | yum)
        cat <<REPO
# Packages of $PACKAGE; the index and each package are signed.
[$PACKAGE]
name=$PACKAGE
baseurl=$url/rpm
enabled=1
gpgcheck=1
repo_gpgcheck=1
gpgkey=file://$key_file
REPO
        ;;
    apk)
        other_repositories
        printf '# %s\n%s/apk\n' "$PACKAGE" "$url"
        ;;
    esac
}

# The lines of /etc/apk/repositories without the two of this repository. Each has a line end.
other_repositories() {
    [ ! -e "$root$source_file" ] ||
        awk -v mark="# $PACKAGE" '$0 == mark { skip = 2 } skip-- > 0 { next } { print }' "$root$source_file"
}

# FILE PLACE: gives PLACE, which exists, the content of FILE at once; its owner and mode stay.
replace() {
    place=$(readlink -f "$2")
    half=$place.new
    cp -p "$place" "$half" && cat "$1" >"$half" && mv -f "$half" "$place" && return
    rm -f "$half"
    return 1
}

# FILE PLACE: puts a file there, unless it is there already; `undo` puts the one before back.
put() {
    if [ -e "$root$2" ] && [ "$(cat "$1")" = "$(cat "$root$2")" ]; then
        say "$2 is there already"
        return
    fi
    mkdir -p "$root${2%/*}"
    if [ -e "$root$2" ]; then
        changed=$((changed + 1))
        cat "$root$2" >"$work/before.$changed"
        echo "$changed $2" >>"$work/undo"
        replace "$1" "$root$2"
    else
        echo "- $2" >>"$work/undo"
        half=$root$2.new
        cat "$1" >"$half"
        mv -f "$half" "$root$2"
    fi
    say "wrote $2"
}

# Puts back what `put` has replaced, if the repository is not accepted.
# shellcheck disable=SC2329 # clean calls it
undo() {
    [ -n "$work" ] && [ -s "$work/undo" ] || return 0
    while read -r number file; do
        case $number in
        -) rm -f "$root$file" ;;
        *) replace "$work/before.$number" "$root$file" || continue ;;
        esac
        say "$file is as before"
    done <"$work/undo"
    rm -f "$work/undo"
}

# Runs a command, or prints it in a dry run.
run() {
    if [ -n "$dry" ]; then
        say "would run: $*"
    else
        say "running: $*"
        "$@" </dev/null
    fi
}

# Reads the index of this repository alone: fails if its signature is not by the key.
read_index() {
    case $manager in
    apt)
        run apt-get -q update -o Dir::Etc::SourceList="$source_file" -o Dir::Etc::SourceParts=/dev/null \
            -o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any
        ;;
    dnf | yum)
        # Some distributions have it that a repository that fails is left out.
        run "$manager" -y --setopt="$PACKAGE.skip_if_unavailable=False" --disablerepo='*' --enablerepo="$PACKAGE" makecache
        ;;
    apk) run apk update --repositories-file /dev/null --repository "$url/apk" ;;
    esac
}

install_package() {
    case $manager in
    apt)
        # A file in /etc that was edited is kept.
        run env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Options::=--force-confdef \
            -o Dpkg::Options::=--force-confold install "$PACKAGE"
        ;;
    dnf | yum) run "$manager" -y install "$PACKAGE" ;;
    apk) run apk add --update-cache --upgrade "$PACKAGE" ;;
    esac
}

# The record of `mackerel-agent install`, whose agent a package replaces with its configuration and id.
RECORD=/usr/lib/mackerel-agent/first

# Sets the units of `mackerel-agent install` aside, which would hide those of the package.
hand_over() {
    [ -e "$root$RECORD.list" ] || return 0
    for name in mackerel-agent.service mackerel-agent-upgrade.service mackerel-agent-upgrade.timer; do
        file=/etc/systemd/system/$name
        [ -f "$root$file" ] || continue
        say "$file goes to $file.of-install, since the package has its own"
        [ -z "$dry" ] || continue
        mv -f "$root$file" "$root$file.of-install"
        aside="$aside $file"
    done
}

# Undoes `hand_over`, if the package is not installed.
# shellcheck disable=SC2329 # clean calls it
hand_back() {
    for file in $aside; do
        mv -f "$root$file.of-install" "$root$file"
    done
    aside=''
}

# The package's scripts start the service if there is an API key. Here it gets one, and is started.
give_key() {
    program=$root/usr/bin/mackerel-agent
    conf=$root/etc/mackerel-agent/mackerel-agent.conf
    # The service does not have the variable.
    if (unset MACKEREL_APIKEY && has_key); then
        [ -n "$is_there" ] || [ "$manager" != apk ] || start_service start
        return
    fi
    if [ -z "${MACKEREL_APIKEY:-}" ]; then
        say "the agent is not started: put its API key into /etc/mackerel-agent/mackerel-agent.conf, and start the service mackerel-agent"
        return
    fi
    # The file keeps its owner and mode. Only this shell has the key: it prints it by itself.
    umask 077
    { printf 'apikey = "%s"\n' "$MACKEREL_APIKEY" && cat "$conf"; } >"$work/conf"
    umask 022
    replace "$work/conf" "$conf" || die "the API key cannot be written, for the reason above; correct that, and run this again"
    say "the API key is in /etc/mackerel-agent/mackerel-agent.conf"
    start_service restart
}

# VERB: applies it to the service. That of Alpine, whose packages start nothing, is added as well.
start_service() {
    if [ "$manager" = apk ] && has rc-service; then
        run rc-update add mackerel-agent
        run rc-service mackerel-agent "$1"
    elif [ -d "$root/run/systemd/system" ]; then
        run systemctl "$1" mackerel-agent
    elif [ "$manager" = apk ]; then
        say "start the service mackerel-agent: OpenRC is not here"
    else
        say "systemd does not run here: it starts mackerel-agent at the next boot"
    fi
}

remove_repository() {
    is_there=
    for file in "$key_file" "$source_file"; do
        case $file in
        # Not apk's own file, and each key, also of earlier releases.
        /etc/apk/repositories)
            [ "$(other_repositories)" != "$(cat "$root$file" 2>/dev/null)" ] || continue
            is_there=yes
            if [ -n "$dry" ]; then
                say "would remove the repository from $file"
            else
                other_repositories >"$work/repositories"
                replace "$work/repositories" "$root$file"
                say "removed the repository from $file"
            fi
            continue
            ;;
        /etc/apk/keys/*) set -- "$root/etc/apk/keys/$PACKAGE-"*.rsa.pub ;;
        *) set -- "$root$file" ;;
        esac
        for path; do
            [ -e "$path" ] || continue
            is_there=yes
            if [ -n "$dry" ]; then
                say "would remove ${path#"$root"}"
            else
                rm -f "$path"
                say "removed ${path#"$root"}"
            fi
        done
    done
    [ -n "$is_there" ] || say "this host does not have the repository"
    say "the package $PACKAGE stays if it is installed; to remove it as well: $purge"
}

# The oldest systemd that has the set of system calls that the unit allows (@system-service).
SYSTEMD=239

# Dies if the service of the package cannot start on this host.
check_systemd() {
    [ "$manager" != apk ] || return 0
    # Where a root is built, there may be none.
    if [ ! -d "$root/run/systemd/system" ] && [ -e "$root/sbin/init" ]; then
        init=$(readlink -f "$root/sbin/init")
        case $init in
        */systemd) ;;
        *) die "the service of the package is for systemd alone, and this host has ${init#"$root"}: install without -repository" ;;
        esac
    fi
    version=$(systemctl --version 2>/dev/null | awk 'NR == 1 { print $2 }')
    case $version in
    '' | *[!0-9]*) ;;
    *)
        [ "$version" -ge "$SYSTEMD" ] ||
            die "the service needs systemd $SYSTEMD, and this host has $version, with or without -repository: keep the Go agent, or have mackerel-agent supervise started by a unit of your own"
        ;;
    esac
}

# Dies if the API key has characters that would end the string in the configuration.
check_key() {
    case ${MACKEREL_APIKEY:-} in
    *[!A-Za-z0-9_+/=-]*) die "MACKEREL_APIKEY, or the key that was typed, has characters that no API key has" ;;
    esac
}

# WHAT VALUE VARIABLE: dies unless it is a SHA-256.
check_digest() {
    case $2 in
    *[!0-9a-f]* | '') ;;
    *) [ ${#2} != 64 ] || return 0 ;;
    esac
    die "the SHA-256 of $1 is missing: set $3 to what \`make repository\` has printed"
}

repository() {
    url='' dry='' is_removed='' changed=0
    while [ $# -gt 0 ]; do
        case $1 in
        -dry-run | --dry-run) dry=yes ;;
        -remove | --remove) is_removed=yes ;;
        -*) die "$1 is no flag of -repository: it has -dry-run and -remove" ;;
        *)
            [ -z "$url" ] || die "-repository takes one URL, and $url and $1 are given"
            url=$1
            ;;
        esac
        shift
    done
    manager=$(package_manager)
    key_name=$PACKAGE.asc digest=${MACKEREL_AGENT_REPOSITORY_KEY:-$REPOSITORY_KEY}
    if [ "$manager" = apk ]; then
        digest=${MACKEREL_AGENT_REPOSITORY_APK_KEY:-$REPOSITORY_APK_KEY}
        key_name=$PACKAGE-$(echo "$digest" | cut -c 1-8).rsa.pub
    fi
    name_files
    if [ -n "$is_removed" ]; then
        make_work
        remove_repository
        return
    fi

    url=${url:-$REPOSITORY}
    url=${url%/}
    case $url,${INSTALL_TEST_HTTP:-} in
    ,* | @REPOSITORY*) die "this install.sh has no address of a repository: give it, -repository https://…" ;;
    *[!][A-Za-z0-9:/._~%,-]*) die "$url has characters that a URL of a repository cannot have here" ;;
    https://*) ;;
    http://127.0.0.1:*,yes) ;;
    *) die "$url does not begin with https://: give a URL that does" ;;
    esac
    case $manager in
    apk) check_digest "Alpine's key" "$digest" MACKEREL_AGENT_REPOSITORY_APK_KEY ;;
    *) check_digest "the repository's key" "$digest" MACKEREL_AGENT_REPOSITORY_KEY ;;
    esac
    has "${purge%% *}" || die "${purge%% *} is missing, which this distribution should have: install without -repository"
    check_systemd
    check_key
    say "adding $url for $manager"

    if [ -n "$dry" ]; then
        say "would download $url/$key_name, and go on only if its SHA-256 is $digest"
        for file in "$key_file" "$source_file"; do
            say "would write $file, unless it is there already"
        done
        read_index
        hand_over
        install_package
        return
    fi
    program=$root/usr/bin/mackerel-agent
    [ -n "${MACKEREL_APIKEY:-}" ] || has_key || ! has_terminal || ask_for_key
    check_key
    is_there=''
    [ ! -e "$root/usr/lib/mackerel-agent/upgrade-package" ] || is_there=yes
    make_work
    fetch "$url/$key_name" "$work/key" "the repository's address"
    found=$(sha256 "$work/key")
    [ "$found" = "$digest" ] ||
        die "$url/$key_name is not the key of this repository: its SHA-256 is $found, not $digest. Nothing was changed. If the key was replaced, get the newest install.sh"
    put "$work/key" "$key_file"
    source_text >"$work/source"
    put "$work/source" "$source_file"
    read_index || die "$manager does not accept the repository, for the reason above: ask who keeps $url"
    rm -f "$work/undo"
    hand_over
    # The lists of other repositories may be missing, which have what the package depends on.
    install_package || { [ "$manager" = apt ] && run apt-get -q update && install_package; } ||
        die "the repository is added, but $manager has failed to install $PACKAGE, for the reason above; correct that, and run this again"
    aside=''
    # Its `uninstall` would remove what is the package's now.
    rm -rf "$root$RECORD" "$root$RECORD.list"
    give_key
    say "the package is installed; $manager upgrades it from now on"
}

# --------------------------------------------------------------------------------------------------

main() {
    work=''
    quiet=''
    half=''
    aside=''
    # For tests of -repository: files are below it.
    root=${INSTALL_TEST_ROOT:-}
    trap clean EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    umask 022

    [ "$(id -u)" = 0 ] || die "must be run as root: … | sudo --preserve-env=MACKEREL_APIKEY sh"
    [ "$(uname -s)" = Linux ] || die "this is for Linux"
    case ${1:-} in
    -repository | --repository)
        shift
        repository "$@"
        return
        ;;
    esac
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
