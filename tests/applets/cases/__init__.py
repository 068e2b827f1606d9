"""The rows: calls of applets that have an official counterpart."""

import rows
from . import files, host, log, metrics, network


def every():
    return rows.number(files.ROWS + log.ROWS + host.ROWS + network.ROWS + metrics.ROWS)
