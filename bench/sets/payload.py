"""one event a transaction as in single, of 1 kB and 10 kB: JSON, and random bytes in topic and table of bytea"""
import events
import tables
from measure import DURABLE, Contestant, Ratio

TYPE = {"json1k": "json", "json10k": "json", "bytes1k": "bytea", "bytes10k": "bytea"}


def set_up(context):
    for kind, value_type in TYPE.items():
        context.sql(f"SELECT create_topic('t_{kind}', 8, 'text', '{value_type}');"
                    + tables.HEAP.format(name=f"heap_{kind}").replace("json)", value_type + ")"))


def contestants(context):
    rows = []
    for kind, value_type in TYPE.items():
        sample = [(key, events.literal(value)) for key, value in events.events(kind, 32)]
        text = "text" if value_type == "json" else value_type
        for sync in ("on", "off"):
            for name, statement, arrived in (
                    ("pg_logical_emit_message", f"SELECT pg_logical_emit_message(true, 'bench', {{value}}::{text})", None),
                    ("heap INSERT", f"INSERT INTO heap_{kind} (key, value) VALUES ({{key}}, {{value}})", f"heap_{kind}"),
                    ("produce", f"SELECT produce('t_{kind}', {{key}}, {{value}}::{value_type})", f"t_{kind}")):
                rows.append(Contestant(name, context.one_by_one(statement, sample, clients=8, sync=sync), 8, DURABLE[sync],
                                       arrived=arrived and f"SELECT count(*) FROM {arrived}", heading=kind))
    return rows


RATIOS = [Ratio("produce", other, heading=kind, what=f"{kind}: produce / {other}")
          for kind in TYPE for other in ("pg_logical_emit_message", "heap INSERT")]
