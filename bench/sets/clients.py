"""one event a transaction as in single, with 1 and with 64 clients"""
from measure import Ratio
from sets import single
from sets.single import PACKAGES, set_up      # noqa: F401

NAMES = ["pg_logical_emit_message", "heap INSERT", "produce", "topic INSERT", "PgQ insert_event"]


def contestants(context):
    rows = []
    for clients in (1, 64):
        rows += [single.round_trip(context, clients)]
        for sync in ("on", "off"):
            rows += single.rows_of(context, NAMES, clients, sync)
    return rows


RATIOS = [Ratio("produce", other) for other in NAMES if other != "produce"]
