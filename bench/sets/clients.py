"""one event a transaction as in single, with 1 and with 64 clients"""
from measure import Ratio
from sets import single
from sets.single import set_up

NAMES = ["pg_logical_emit_message", "heap INSERT", "produce", "topic INSERT", "PgQ insert_event"]


def contestants(context):
    return [row for clients in (1, 64) for row in
            (*single.floors(context, clients), *(row for sync in ("on", "off") for row in single.rows_of(context, NAMES, clients, sync)))]


RATIOS = [Ratio("produce", other) for other in NAMES if other != "produce"]
