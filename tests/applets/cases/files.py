"""Checks of files: check-file-age, check-file-size, check-cert-file, check-debian-reboot-required."""

import stage
from rows import HELP, USAGE, Loose, Mask, Row

AGE = (Loose(r" is (-?\d+) seconds old", 5),)
CLOCK = stage.LONG_AGO

# A documented difference (docs/applets.md).
WORDS = "what is wrong is said in other words"


def age(arguments, why, **more):
    # Only the fixed time of an old file is the same in each run.
    masks = () if "old" in arguments or "link" in arguments else (Mask(r"\((\d\d:\d\d:\d\d)\)", "CLOCK"),)
    return Row("check-file-age", arguments, why, files=stage.files, loose=AGE, masks=masks, **more)


def size(arguments, why, **more):
    return Row("check-file-size", arguments, why, files=stage.tree, **more)


def cert(arguments, why, **more):
    return Row("check-cert-file", arguments, why, files=stage.certificate, **more)


def reboot(arguments, why, **more):
    return Row("check-debian-reboot-required", arguments, why, files=stage.reboot, **more)


ROWS = [
    age("", "the file is required", kind=USAGE),
    age("--help", "the flags", kind=HELP),
    age("-h", "the short form", kind=HELP),
    age("-f $DIR/old", "older than 600 s, by the defaults"),
    age("-f $DIR/medium", "older than 240 s, by the defaults"),
    age("-f $DIR/young", "younger than both"),
    age("--file=$DIR/young --warning-age=10 --critical-age=20", "long names with an equals sign"),
    age("--file $DIR/young --warning-age 10 --critical-age 200", "long names with a value after them"),
    age("-f=$DIR/young -w=10 -c=200", "short names with an equals sign"),
    age("-f$DIR/young -w10 -c200", "short names with the value attached"),
    age("-if $DIR/young", "combined short names, the last one with a value"),
    age("-fi $DIR/young", "the value is attached: a file i, which is missing"),
    age("-f $DIR/young -w 0 -c 0", "zero: no limit of age"),
    age("-f $DIR/old -w 0 -c 0 -W 1000", "smaller than the warning's size"),
    age("-f $DIR/old -w 0 -c 0 -C 1000", "smaller than the critical size"),
    age("-f $DIR/old -w 0 -c 0 -W 100 -C 100", "as large as both sizes"),
    age("-f $DIR/empty -W 1", "an empty file"),
    age("-f $DIR/future", "a time that is to come"),
    age("-f $DIR/link -w 1 -c 0", "a link is followed"),
    age("-f $DIR/broken", "a link to nothing"),
    age("-f $DIR/missing", "a missing file"),
    age("-f $DIR/missing -i", "a missing file that may be missing"),
    age("-f $DIR/missing --ignore-missing=true", "a flag without a value has one", kind=USAGE),
    age("-f $DIR/old/below", "a file where a directory is needed"),
    age("-f $DIR/old/below -i", "any error is ignored"),
    age("-f '$DIR/with space old'", "a name with spaces that is missing"),
    age("-f ''", "an empty name"),
    age("-f $DIR/young -w x", "no number", kind=USAGE),
    age("-f $DIR/young -w 1.5", "no whole number", kind=USAGE),
    age("-f $DIR/young -w -5", "a negative number after a short name: flags of numbers take it"),
    age("-f $DIR/young -w=-5 -c=-5", "negative numbers"),
    age("-f $DIR/young -w 99999999999999999999", "too large a number", kind=USAGE),
    age("-f $DIR/young -w", "no value", kind=USAGE),
    age("-f $DIR/young --bogus", "an unknown long flag", kind=USAGE),
    age("-f $DIR/young -z", "an unknown short flag", kind=USAGE),
    age("-f $DIR/young -iz", "an unknown one after a known one", kind=USAGE),
    age("-f $DIR/missing -f $DIR/young", "the last of two values is used"),
    age("-f $DIR/young extra words", "words without a flag are ignored"),
    age("-f $DIR/young -- -w 10", "words after -- are ignored"),
    age("-f $DIR/old", "a time zone", env={"TZ": "Asia/Tokyo"}, host=True),
    age("--warning=1 -f $DIR/young", "the beginning of a name is not the name", kind=USAGE),
    age("-f $DIR/young -w 0x10", "a hexadecimal number", kind=USAGE),
    age("-f $DIR/young -w 1_000", "a number with an underscore", kind=USAGE),
    age("-f $DIR/young -w +10 -c 0", "a number with a plus sign"),
    #
    size("", "the directory is required", kind=USAGE),
    size("--help", "the flags", kind=HELP),
    size("-b $DIR/tree", "over the defaults: 1000 + 24 bytes, and 5000 by a link"),
    size("-b $DIR/tree -w 10K -c 20K", "under both"),
    size("-b $DIR/tree -w 1K -c 20K", "over the warning's"),
    size("-b $DIR/tree -w 100 -c 200", "over both, without a unit"),
    size("-b $DIR/tree -w 6024 -c 1M", "exactly the warning's"),
    size("-b $DIR/tree -w 5.5k -c 1m", "a fraction, and small letters"),
    size("--base=$DIR/tree --warning=1G --critical=1T --depth=2", "long names; two levels"),
    size("-b$DIR/tree -w1G -c1G -d3", "values attached; three levels"),
    size("-b $DIR/tree -d 0 -w 1G -c 1G", "no level"),
    size("-b $DIR/tree -d=-1 -w 1G -c 1G", "a negative level"),
    size("-b $DIR/tree/a -w 1G -c 1G", "a file"),
    size("-b $DIR/nothing -w 1K -c 1K", "an empty directory"),
    size("-b $DIR/missing", "a missing directory is OK"),
    size("-b $DIR/tree -w x", "no size"),
    size("-b $DIR/tree -w 1KB", "an unknown unit"),
    size("-b $DIR/tree -c ''", "an empty size"),
    size("-b $DIR/tree -w=-1", "a negative size"),
    size("-b $DIR/tree -w 1. -c 1.", "a point at the end"),
    size("-b $DIR/tree -d x", "no number", kind=USAGE),
    size("-b $DIR/tree -d", "no value", kind=USAGE),
    size("-b $DIR/tree/ -w 1G -c 1G", "a slash at the end"),
    size("-b $DIR/missing -b $DIR/tree -w 1G -c 1G", "the last of two values is used"),
    size("-b $DIR/tree --bogus", "an unknown flag", kind=USAGE),
    #
    cert("", "the file is required", kind=USAGE),
    cert("--help", "the flags", kind=HELP),
    cert("-f $CERTS/good.pem", "100 days"),
    cert("-f $CERTS/soon.pem", "20 days: a warning by the defaults"),
    cert("-f $CERTS/near.pem", "1 day: critical by the defaults"),
    cert("-f $CERTS/today.pem", "ends today"),
    cert("-f $CERTS/expired.pem", "has ended"),
    cert("-f $CERTS/early.pem", "not valid yet: only the end counts"),
    cert("-f $CERTS/soon.pem -w 10 -c 5", "own limits, over them"),
    cert("-f $CERTS/soon.pem -w 20 -c 20", "exactly the limits"),
    cert("-f $CERTS/soon.pem -w=30 -c=21", "under the critical one"),
    cert("--file $CERTS/good.pem --warning 101 --critical 1", "long names"),
    cert("-f$CERTS/good.pem -w101 -c101", "values attached"),
    cert("-f $CERTS/chain.pem", "two certificates: the first one counts"),
    cert("-f $CERTS/missing.pem", "a missing file", differs={"stdout": WORDS}),
    cert("-f $CERTS", "a directory", differs={"stdout": WORDS}),
    cert("-f $DIR/broken.pem", "no certificate within the marks", differs={"stdout": WORDS}),
    cert("-f $DIR/empty.pem", "an empty file", differs={"stdout": WORDS}),
    cert("-f $DIR/text.pem", "a file without marks", differs={"stdout": WORDS}),
    cert("-f $CERTS/good.key", "a key", differs={"stdout": WORDS}),
    cert("-f $CERTS/good.pem -w x", "no number", kind=USAGE),
    cert("-f $CERTS/good.pem -w 1.5", "no whole number", kind=USAGE),
    cert("-f $CERTS/good.pem --bogus", "an unknown flag", kind=USAGE),
    cert("-f $CERTS/good.pem -c", "no value", kind=USAGE),
    #
    reboot("-h", "the flags", kind=HELP),
    reboot("--help", "with two dashes", kind=HELP),
    reboot("", "the default directory, without the file"),
    reboot("-dir $DIR/none", "no file"),
    reboot("-dir $DIR/with", "packages"),
    reboot("-dir=$DIR/with/", "an equals sign, a slash at the end"),
    reboot("--dir $DIR/without", "two dashes; no list of packages"),
    reboot("-dir $DIR/with -critical -warning=false", "critical"),
    reboot("-dir $DIR/with -critical", "both: the default of -warning is true"),
    reboot("-dir $DIR/none -critical", "both, without the file"),
    reboot("-dir $DIR/with -critical=true -warning=false", "values"),
    reboot("-dir $DIR/with -warning=false", "neither: a warning all the same"),
    reboot("-dir $DIR/with -warning=0 -critical=T", "other words for true and false"),
    reboot("-dir $DIR/bare", "a list of packages alone"),
    reboot("-dir $DIR/odd", "a list that cannot be read"),
    reboot("-dir $DIR/missing", "a missing directory"),
    reboot("-dir $DIR/file", "a file in place of the directory"),
    reboot("-dir", "no value", kind=USAGE),
    reboot("-bogus", "an unknown flag", kind=USAGE),
    reboot("-warning=maybe", "neither true nor false", kind=USAGE),
    reboot("-dir $DIR/with -warning false -critical", "the flags end at the first word without a dash"),
    reboot("-dir $DIR/none extra", "words are ignored"),
]  # fmt: skip
