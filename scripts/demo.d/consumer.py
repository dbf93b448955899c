"""A consumer of scripts/demo: keeps a copy of all balances from the events of the topic "transfers".

Reading the events, the work and the committed offsets are one transaction: either all of it happened or nothing.
So whatever goes wrong, the answer is to try again, and nothing is counted twice.
"""
import signal
import sys
import time
from collections import Counter

import psycopg

# The class 40 errors and "not a member (any more)" say: do the transaction again. A lost connection, a server
# that shuts down or starts up say: connect again.
RETRY = {"40001", "40P01", "40L01", "EL001"}

number = int(sys.argv[1])
stopping = False


def stop(*_):
    global stopping
    stopping = True


def consume_some(connection):
    """Consumes up to 500 events; returns how many."""
    with connection.transaction():
        events = connection.execute("SELECT value FROM consume('balances', 'transfers', max_events => 500)").fetchall()
        if not events:
            return 0
        changes = Counter()
        for (event,) in events:
            changes[event["from"]] -= event["amount"]
            changes[event["to"]] += event["amount"]
        # in order of the accounts, so that two consumers do not deadlock
        accounts = sorted(changes)
        connection.execute(
            """INSERT INTO projection SELECT * FROM unnest(%s::int[], %s::bigint[])
               ON CONFLICT (account) DO UPDATE SET balance = projection.balance + excluded.balance""",
            (accounts, [changes[account] for account in accounts]))
        connection.execute("INSERT INTO consumed SELECT id, %s FROM unnest(%s::bigint[]) id",
                           (number, [event["id"] for (event,) in events]))
        connection.execute("SELECT commit('balances')")
        return len(events)


def main():
    signal.signal(signal.SIGTERM, stop)
    connection, pause = None, 0.05
    while not stopping:
        try:
            if connection is None or connection.broken or connection.closed:
                connection = psycopg.connect(autocommit=True, connect_timeout=5)
            if not consume_some(connection) and not stopping:
                connection.execute("CALL wait_for_events('balances', '1 s')")
            pause = 0.05
        except psycopg.Error as error:
            if not isinstance(error, psycopg.OperationalError) and error.sqlstate not in RETRY:
                raise
            print(f"again in {pause:.2f} s: {error}", file=sys.stderr, flush=True)
            time.sleep(pause)
            pause = min(2 * pause, 1)


main()
