"""A consumer of the topic "orders" in the group "billing", by psycopg 3.

Usage: consumer.py at-most-once | at-least-once | exactly-once | claim | retry | retry-later
       consumer.py pool MEMBER          (needs psycopg_pool)

Connects by the PG* environment variables (PGHOST=a,b PGTARGETSESSIONATTRS=read-write: to whichever of them is the
primary) and goes on until SIGTERM. The work is a row in the table "worked".
"""
import random
import re
import signal
import sys
import time

import psycopg
from psycopg.types.json import Jsonb

stopping = False


# [again]
def again(error):
    """Do it again? Fenced, serialization, deadlock, not a member any more, in use; a standby, the connection, the server,
    its resources."""
    no_code = "08000" if isinstance(error, psycopg.OperationalError) else ""
    return re.match("40L01|40001|40P01|EL001|55006|25006|57P|08|53", error.sqlstate or no_code)


def its_own_fault(error):
    """Is it the event that is wrong (bad data, a constraint, RAISE), so that others may go on without it?"""
    return re.match("22|23|P0", error.sqlstate or "")
# [/again]


def work(connection, partition, offset, key, value):
    connection.execute("INSERT INTO worked (partition, event_offset, key, value) VALUES (%s, %s, %s, %s)",
                       (partition, offset, key, Jsonb(value)))


# [at-most-once]
def at_most_once(connection):
    """In autocommit: the offset is committed before the work begins."""
    events = connection.execute(
        "SELECT partition, event_offset, key, value"
        " FROM consume('billing', 'orders', max_events => 10, commit => true)").fetchall()
    for event in events:
        work(connection, *event)        # who dies here loses the rest of the ten
    return len(events)
# [/at-most-once]


# [at-least-once]
def at_least_once(connection):
    """In autocommit: the offset is committed when the work is done."""
    events = connection.execute(
        "SELECT partition, event_offset, key, value"
        " FROM consume('billing', 'orders', max_events => 10)").fetchall()
    for event in events:
        work(connection, *event)        # who dies here does these again
    if events:
        connection.execute("SELECT commit('billing')")
    return len(events)
# [/at-least-once]


# [exactly-once]
def exactly_once(connection):
    """Reading, the work and the offset are one transaction."""
    with connection.transaction():
        events = connection.execute(
            "SELECT partition, event_offset, key, value"
            " FROM consume('billing', 'orders', max_events => 10)").fetchall()
        for event in events:
            work(connection, *event)
        if events:
            connection.execute("SELECT commit('billing')")
    return len(events)
# [/exactly-once]


# [pool]
def pooled(pool, member):
    """Any connection of the pool will do: the member has a name. One block, one transaction."""
    with pool.connection() as connection, connection.transaction():
        events = connection.execute(
            "SELECT partition, event_offset, key, value"
            " FROM consume('billing', 'orders', max_events => 10, member => %s)", (member,)).fetchall()
        for event in events:
            work(connection, *event)
        if events:
            connection.execute("SELECT commit('billing', %s)", (member,))
    return len(events)
# [/pool]


# [claim]
def claim(connection):
    """No membership: whatever is free. The claim commits with the transaction."""
    with connection.transaction():
        events = connection.execute(
            "SELECT partition, event_offset, key, value"
            " FROM claim('billing', 'orders', max_events => 10)").fetchall()
        for event in events:
            work(connection, *event)
    return len(events)
# [/claim]


# [retry]
def with_retries(connection, group, topic, min_age=None):
    """What fails is tried again later, and set aside after three attempts; the others go on meanwhile."""
    with connection.transaction():
        events = connection.execute(
            "SELECT partition, event_offset, key, value, coalesce((headers->>'attempt')::int, 1)"
            " FROM consume(%s, %s, max_events => 10, min_age => %s)", (group, topic, min_age)).fetchall()
        for partition, offset, key, value, attempt in events:
            try:
                with connection.transaction():          # a savepoint
                    work(connection, partition, offset, key, value)
            except psycopg.Error as error:
                if not its_own_fault(error):
                    raise
                if attempt < 3:                         # a copy, as it is on the log
                    connection.execute(
                        "SELECT produce('orders_retry', key, value, headers || jsonb_build_object('attempt', %s::text))"
                        " FROM read_topic(%s, %s, %s, 1)", (attempt + 1, topic, partition, offset))
                else:
                    connection.execute("SELECT dead_letter(%s, %s, %s, %s, %s)",
                                       (group, topic, partition, offset, str(error)))
        if events:
            connection.execute("SELECT commit(%s)", (group,))
    return len(events)


def retry(connection):
    return with_retries(connection, "billing", "orders")


def retry_later(connection):            # another process, which waits until the first is old enough:
    return with_retries(connection, "billing_retry", "orders_retry", min_age="2 seconds")


WAIT_LATER = "CALL wait_for_events('billing_retry', '1 s', min_age => '2 seconds')"
# [/retry]


# [loop]
def wait_for(connection, wait, parameters=None):
    try:
        connection.execute(wait, parameters)
    except psycopg.errors.QueryCanceled:
        pass        # the role's statement_timeout is shorter: the next step finds what came meanwhile


def loop(step, wait="CALL wait_for_events('billing', '1 s')"):
    """Begin again with a new connection after an error: nothing is left of what was not committed."""
    pause = 0.1
    while not stopping:
        try:
            # prepare_threshold: what PgBouncer in transaction mode needs
            with psycopg.connect(connect_timeout=2, autocommit=True, prepare_threshold=None) as connection:
                while not stopping:
                    if not step(connection):
                        wait_for(connection, wait)
                    pause = 0.1
        except psycopg.Error as error:
            if not again(error):
                raise
            print(error, file=sys.stderr)
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, 1)
# [/loop]


def pool_loop(member):
    """Begin again with a new pool: it may be full of connections to a server that is a standby now."""
    from psycopg_pool import ConnectionPool

    pause = 0.1
    while not stopping:
        try:
            with ConnectionPool(kwargs={"connect_timeout": 2, "autocommit": True, "prepare_threshold": None},
                                min_size=1, max_size=4, timeout=1) as pool:
                while not stopping:
                    if not pooled(pool, member):
                        with pool.connection() as connection:
                            wait_for(connection, "CALL wait_for_events('billing', '1 s', %s)", (member,))
                    pause = 0.1
                with pool.connection() as connection:   # its partitions go to the others at once
                    connection.execute("SELECT leave_group('billing', %s)", (member,))
        except psycopg.Error as error:
            if not again(error):
                raise
            print(error, file=sys.stderr)
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, 1)


def stop(*_):
    global stopping
    stopping = True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    if sys.argv[1] == "pool":
        pool_loop(sys.argv[2])
    elif sys.argv[1] == "retry-later":
        loop(retry_later, WAIT_LATER)
    else:
        loop({"at-most-once": at_most_once, "at-least-once": at_least_once, "exactly-once": exactly_once,
              "claim": claim, "retry": retry}[sys.argv[1]])
