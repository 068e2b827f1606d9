"""Metric plugins: values, rates between two calls, graph definitions, and flags."""

import stage
from rows import GRAPHS, HELP, METRICS, RUN, USAGE, Row

# Documented differences (docs/applets.md).
NO_FLAGS = "the official plugin ignores all words"
FROM_GROUPS = "without the socket, names are ids"
VARIABLES = "ENVVAR_TYPE is not read"
KINDS = "an unknown kind is an error"
IO = "with version 2 of the control groups the official plugin has no input and output"
VERSION = "there is no such flag"
BACK = "the official plugin fails when counters went back"
METHOD = "-method is not used"
HELP_OF_ERROR = "the help is printed when it is asked for"

META = {"MACKEREL_AGENT_PLUGIN_META": "1"}
# Two calls a second and a half apart, between which the counters of /proc grow.
LATER = (stage.proc(False), RUN, stage.wait(1.5), stage.proc(True), RUN)


def plugin(name, arguments, why, kind=METRICS, **more):
    return Row(f"mackerel-plugin-{name}", arguments, why, kind=kind, **more)


def uptime(arguments, why, **more):
    return plugin("uptime", arguments, why, apart=60, **more)


def inode(arguments, why, **more):
    more = {"apart": 0, "only": "quokka|wombat", **more}
    return plugin("inode", arguments, why, **more)


def multicore(arguments, why, **more):
    return plugin("multicore", arguments, why, apart=0, **more)


def conntrack(arguments, why, **more):
    return plugin("conntrack", arguments, why, apart=0, **more)


def fds(arguments, why, **more):
    return plugin("proc-fd", arguments, why, apart=0, **more)


def linux(arguments, why, **more):
    return plugin("linux", arguments, why, **more)


def docker(arguments, why, **more):
    return plugin("docker", arguments, why, **more)


def common(make, help_of=None):
    """Rows that each plugin has that uses Go's package flag."""
    return [
        make("-h", "the flags", kind=HELP, differs=help_of),
        make("--help", "with two dashes", kind=HELP, differs=help_of),
        make("-bogus", "an unknown flag", kind=USAGE),
        make("--bogus=1", "an unknown flag with a value", kind=USAGE),
        make("-tempfile", "no value", kind=USAGE),
    ]


ROWS = [
    *common(uptime),
    uptime("", "seconds since boot"),
    uptime("-tempfile $DIR/state", "a file for the state, not used"),
    uptime("--tempfile=$DIR/no/such/state", "one that cannot be made"),
    uptime("-metric-key-prefix host", "another prefix"),
    uptime("-metric-key-prefix=host.up", "with a point"),
    uptime("-metric-key-prefix ''", "an empty one"),
    uptime("extra", "words are ignored"),
    uptime("", "graph definitions", kind=GRAPHS, env=META),
    uptime("-metric-key-prefix host", "graph definitions of another prefix", kind=GRAPHS, env=META),
    uptime("-metric-key-prefix", "no value", kind=USAGE),
    #
    inode("", "two mounts of a name of their own"),
    inode("", "every mount", only=".", host=True, apart=10000),
    inode("-h", "no flags: they are ignored", differs={"stdout": NO_FLAGS}),
    inode("--help", "with two dashes", differs={"stdout": NO_FLAGS}),
    inode("-bogus", "an unknown flag", differs={"exit": NO_FLAGS, "stdout": NO_FLAGS}),
    inode("-tempfile $DIR/state", "a flag that others have"),
    inode("--bogus=1", "with a value", differs={"exit": NO_FLAGS, "stdout": NO_FLAGS}),
    inode("extra words", "words"),
    inode("", "graph definitions", kind=GRAPHS, env=META),
    inode("-bogus", "graph definitions, and a flag", kind=GRAPHS,
          env=META, differs={"exit": NO_FLAGS, "stdout": NO_FLAGS}),
    #
    *common(multicore),
    multicore("", "the first call prints nothing", steps=(stage.proc(False), RUN), alone=True),
    multicore("", "shares of each processor", steps=LATER, alone=True),
    multicore("-tempfile $DIR/state", "an own file for the state", steps=LATER, alone=True),
    multicore("-tempfile=$DIR/no/such/state", "one whose directory is missing", alone=True,
              differs={"exit": "the directory of a state file is made"}),
    multicore("", "counters that went back", steps=(stage.proc(True), RUN, stage.wait(1.5), stage.proc(False), RUN),
              alone=True, differs={"exit": BACK}),
    multicore("", "graph definitions", kind=GRAPHS, env=META),
    multicore("extra", "words are ignored", steps=LATER, alone=True),
    #
    *common(conntrack, {"exit": "help that is asked for is no error", "stdout": VERSION}),
    conntrack("", "used and free"),
    conntrack("-tempfile $DIR/state", "a file for the state, not used"),
    conntrack("--tempfile=$DIR/no/such/state", "one that cannot be made"),
    conntrack("-version", "a version", kind=USAGE, differs={"exit": VERSION}),
    conntrack("", "graph definitions", kind=GRAPHS, env=META),
    conntrack("extra", "words are ignored"),
    #
    *common(fds),
    fds("", "the process is required", kind=USAGE),
    fds("-process ''", "an empty one", kind=USAGE),
    fds("-process quokka-alpha", "two processes"),
    fds("-process=quokka-beta", "one"),
    fds("--process quokka.beta", "an expression"),
    fds("-process quokka-none", "none"),
    fds("-process 'quokka-beta 1000'", "a name that has to be replaced"),
    fds("-process quokka-beta -tempfile $DIR/state", "a file for the state, not used"),
    fds("-process quokka-beta", "graph definitions", kind=GRAPHS, env=META),
    fds("-process 'quokka beta'", "graph definitions of a name that has to be replaced", kind=GRAPHS, env=META),
    fds("-process", "no value", kind=USAGE),
    #
    linux("--help", "the flags", kind=HELP),
    linux("-h", "the short form", kind=HELP),
    linux("--bogus", "an unknown flag", kind=HELP, differs={"stdout": HELP_OF_ERROR}),
    linux("--type users", "users who are logged in", apart=0),
    linux("-p users", "the short form", apart=0),
    linux("--type=users --tempfile=$DIR/state", "an own file for the state", apart=0),
    linux("-p users -t $DIR/state", "short forms", apart=0),
    linux("-type users", "one dash", apart=0),
    linux("--type swap", "pages per minute", steps=LATER, alone=True, rates=True),
    linux("--type proc_stat", "interrupts, switches and forks per minute", steps=LATER, alone=True,
          rates=True),
    linux("--type swap --type users", "two kinds", steps=LATER, alone=True),
    linux("--type netstat", "states of sockets, by ss", host=True, apart=20),
    linux("--type diskstats", "times of disks", steps=LATER, alone=True, rates=True),
    linux("", "all of them but sockets", steps=LATER, alone=True, only=r"^linux\.(?!ss)"),
    linux("--type all", "by that name", steps=LATER, alone=True, only=r"^linux\.(?!ss)"),
    linux("--type bogus", "an unknown kind", differs={"exit": KINDS}),
    linux("--type", "no value", kind=HELP, differs={"stdout": HELP_OF_ERROR}),
    linux("--type swap", "graph definitions", kind=GRAPHS, env=META),
    linux("--type users", "graph definitions", kind=GRAPHS, env=META),
    linux("--type proc_stat --type netstat", "graph definitions of two kinds", kind=GRAPHS, env=META),
    linux("", "graph definitions of all", kind=GRAPHS, env=META),
    linux("", "a kind by a variable", env={"ENVVAR_TYPE": "users"}, apart=0, differs={"stdout": VARIABLES}),
    #
    *common(docker),
    docker("", "no container"),
    docker("-host unix:///run/docker.sock", "a socket"),
    docker("-host=unix://$DIR/none.sock", "no such socket", kind=USAGE,
           differs={"exit": FROM_GROUPS, "stdout": FROM_GROUPS, "stderr": FROM_GROUPS}),
    docker("-name-format name", "a name"),
    docker("-name-format bogus", "an unknown format", kind=USAGE),
    docker("-name-format label", "a label is missing", kind=USAGE),
    docker("-name-format=label -label com.example", "a label"),
    docker("-method File", "a method that is gone", kind=USAGE, differs={"exit": METHOD, "stderr": METHOD}),
    docker("-method API", "the method"),
    docker("-method bogus", "an unknown method", kind=USAGE, differs={"exit": METHOD, "stderr": METHOD}),
    docker("-cpu-format usage", "counters of processor time"),
    docker("-cpu-format bogus", "an unknown format counts as the default"),
    docker("-command /usr/bin/docker", "a flag that does nothing"),
    docker("-tempfile $DIR/state", "a file for the state"),
    docker("-host unix://$DOCKER", "a container, twice", only="cpu|memory", steps=LATER, alone=True, apart=0),
    docker("-host unix://$DOCKER -name-format name", "its name", only="memory", apart=0),
    docker("-host unix://$DOCKER -name-format id", "its id", only="memory", apart=0),
    docker("-host unix://$DOCKER -name-format image", "its image", only="memory", apart=0),
    docker("-host unix://$DOCKER -name-format image_id", "both", only="memory", apart=0),
    docker("-host unix://$DOCKER -name-format image_name", "image and name", only="memory", apart=0),
    docker("-host unix://$DOCKER -name-format label -label com.example", "a label", only="memory", apart=0),
    docker("-host unix://$DOCKER -cpu-format usage", "counters of processor time", only="cpu", steps=LATER,
           alone=True, rates=True),
    docker("-host unix://$DOCKER", "input and output", only="blkio",
           steps=LATER, alone=True, differs={"stdout": IO}),
    docker("", "graph definitions", kind=GRAPHS, env=META),
    docker("-cpu-format usage", "graph definitions", kind=GRAPHS, env=META),
]  # fmt: skip
