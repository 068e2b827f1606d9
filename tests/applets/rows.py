"""What a row of the tables is, and which parts of an output are compared and how."""

import json
import re

import stage

# Kinds of rows:
LINE = "line"  # exit code and standard output
USAGE = "usage"  # the same, and that something was written to standard error
HELP = "help"  # exit code, and that each flag of the official help occurs
METRICS = "metrics"  # exit code and lines of name, value and time, in any order
GRAPHS = "graphs"  # exit code, and the graph definitions as JSON

RUN = "run"

FLAG = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")
METRIC = re.compile(r"([^\t]+)\t([^\t]+)\t(\d+)$")


class Loose:
    """A number in the output that changes from run to run: the group 1 of `pattern`.

    Two of them are equal if they are at most `apart` from each other. A recording has N.
    """

    def __init__(self, pattern, apart):
        self.pattern = re.compile(pattern)
        self.apart = apart


class Mask:
    """A part of the output (group 1 of `pattern`) that is not compared, and what stands for it."""

    def __init__(self, pattern, name):
        self.pattern = re.compile(pattern)
        self.name = name


class Row:
    """A call of an applet and of the official plugin of the same name."""

    def __init__(
        self,
        applet,
        arguments,
        why,
        *,
        kind=LINE,
        files=None,
        steps=(RUN,),
        env=None,
        loose=(),
        masks=(),
        only=None,
        host=False,
        alone=False,
        apart=None,
        rates=False,
        unordered=False,
        differs=None,
    ):
        self.applet = applet
        # As a shell splits them, with $NAME for places and ports.
        self.arguments = arguments
        self.why = why
        self.kind = kind
        self.files = files or stage.nothing
        self.steps = steps
        self.env = env or {}
        self.loose = loose
        self.masks = masks
        # Lines of the output that are compared: those that match.
        self.only = re.compile(only) if only else None
        # The output depends on the machine: it is not recorded.
        self.host = host
        # No other plugin may run meanwhile.
        self.alone = alone
        # Metrics: what values of two runs may differ by; 0 if they are constant, None for any.
        self.apart = apart
        # Metrics: values are changes during the time between two calls, which differs. What they
        # are of the smallest one is compared.
        self.rates = rates
        # The order of lines is a documented difference.
        self.unordered = unordered
        # Documented differences: for "exit", "stdout" or "stderr" the reason.
        self.differs = dict(differs or {})
        if kind == HELP and applet.startswith("check-"):
            self.differs.setdefault("exit", "help that is asked for is no error: it ends with 0")
        self.key = ""


def number(rows):
    """Gives each row a key that is its own: applet and arguments, and a number if there are more."""
    seen = {}
    for row in rows:
        key = f"{row.applet} {row.arguments}".strip()
        seen[key] = seen.get(key, 0) + 1
        row.key = key if seen[key] == 1 else f"{key} #{seen[key]}"
    return rows


def _replace(text, pattern, name):
    """`text` with `name` for group 1 of each match, and the groups."""
    found, pieces, end = [], [], 0
    for match in pattern.finditer(text):
        pieces += [text[end : match.start(1)], name]
        end = match.end(1)
        found.append(match.group(1))
    return "".join(pieces) + text[end:], found


def _figure(text):
    try:
        return float(text)
    except ValueError:
        return None


def reduce(row, run, places):
    """`run` with the parts that change replaced: a dict as in a recording, and numbers to compare."""
    text = run["stdout"]
    for place, name in places:
        text = place.sub(name, text)
    numbers = []
    if row.kind == HELP:
        # go-flags and Go's flag package write to different streams.
        found = {flag.lstrip("-") for flag in FLAG.findall(text + run["error"])}
        text = " ".join(sorted(found - {word.lstrip("-") for word in row.arguments.split()} - {"h", "help"}))
    elif row.kind == METRICS:
        text, numbers = _metrics(row, text)
    elif row.kind == GRAPHS:
        text = _graphs(text)
    else:
        if row.only:
            text = "".join(line for line in text.splitlines(True) if row.only.search(line))
        for mask in row.masks:
            text, _ = _replace(text, mask.pattern, mask.name)
        for loose in row.loose:
            text, found = _replace(text, loose.pattern, "N")
            numbers += [(value, loose.apart) for value in found]
        if row.unordered:
            text = "".join(sorted(text.splitlines(True)))
    reduced = {"exit": run["exit"], "stdout": text}
    if row.kind == USAGE:
        reduced["stderr"] = bool(run["error"].strip())
    return reduced, numbers


def _metrics(row, text):
    lines, numbers = [], []
    kept = [line for line in sorted(text.splitlines()) if not row.only or row.only.search(line)]
    matches = [METRIC.match(line) for line in kept]
    values = [_figure(match.group(2)) for match in matches if match]
    unit = min((value for value in values if value), default=1.0) if row.rates else 1.0
    for line, match in zip(kept, matches):
        if match and _figure(match.group(2)) is not None:
            exact = row.apart == 0 or row.rates
            value = f"{float(match.group(2)) / unit:.3f}" if exact else "N"
            lines.append(f"{match.group(1)}\t{value}\tTIME")
            numbers.append((match.group(2), row.apart or None))
            numbers.append((match.group(3), 60))
        else:
            lines.append(line)
    return "".join(f"{line}\n" for line in lines), numbers


def _graphs(text):
    head, _, body = text.partition("\n")
    try:
        body = json.dumps(json.loads(body), sort_keys=True)
    except ValueError:
        body = f"no JSON: {body}"
    return f"{head}\n{body}\n"


def differences(row, official, ours):
    """The fields in which the runs (a list each, of `reduce`) differ, with both values."""
    found = {}
    for (theirs, their_numbers), (mine, my_numbers) in zip(official, ours):
        for field, value in theirs.items():
            if row.kind == HELP and field == "stdout":
                missing = set(value.split()) - set(mine[field].split())
                if missing:
                    found.setdefault(field, (value, "without " + " ".join(sorted(missing))))
            elif mine[field] != value:
                found.setdefault(field, (value, mine[field]))
        # Where a message may differ, the name and the status before it may not.
        if row.kind == LINE and "stdout" in row.differs and "exit" not in row.differs:
            heads = [text.partition(": ")[0] for text in (theirs["stdout"], mine["stdout"])]
            if all(heads) and heads[0] != heads[1]:
                found["status"] = tuple(heads)
        if "stdout" not in found and their_numbers is not None:
            for (left, apart), (right, _) in zip(their_numbers, my_numbers):
                if apart is not None and abs(float(left) - float(right)) > apart:
                    found["stdout"] = (f"{left} in {theirs['stdout']}", f"{right} (more than {apart} apart)")
    return found
