"""What several sets write to: topics and tables of the patterns that people use, made from SQL alone."""

HEAP = """
CREATE TABLE {name} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, created timestamptz NOT NULL DEFAULT clock_timestamp(),
                     key text, value json);
"""

# what users of an outbox write: an index more, over what is still to be sent
OUTBOX = """
CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic text NOT NULL, key text, payload json NOT NULL,
                     created timestamptz NOT NULL DEFAULT now(), processed boolean NOT NULL DEFAULT false);
CREATE INDEX outbox_unprocessed ON outbox (topic, id) WHERE NOT processed;
"""
OUTBOX_INSERT = "INSERT INTO outbox (topic, key, payload) VALUES ('orders', {key}, {value})"

# The pattern of "Kafka is fast -- I'll use Postgres": offsets are taken from a row per partition, which stays locked until the
# commit; so they are dense and in the order of commits.
COUNTER = """
CREATE TABLE counter_next (partition int PRIMARY KEY, next_offset bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO counter_next SELECT p, 0 FROM generate_series(0, 7) p;
CREATE TABLE counter_log (partition int, c_offset bigint, created timestamptz NOT NULL DEFAULT now(), key text,
                          payload json NOT NULL, PRIMARY KEY (partition, c_offset));
"""
COUNTER_INSERT = """WITH taken AS (
    UPDATE counter_next SET next_offset = next_offset + 1 WHERE partition = (hashtext({key}) & 7)
    RETURNING partition, next_offset - 1 AS c_offset)
INSERT INTO counter_log (partition, c_offset, key, payload) SELECT partition, c_offset, {key}::text, {value}::json FROM taken"""
