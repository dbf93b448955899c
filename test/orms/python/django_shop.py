"""eventlog by Django; the steps are those of ../check.py. Needs PG* variables."""
import json
import os
import sys

import django
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections, models, transaction

DATABASE = {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "USER": os.environ["PGUSER"],
            "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"]}
settings.configure(
    INSTALLED_APPS=["shop"], USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    # to look at topics one has to have their schema in the search_path
    DATABASES={"default": DATABASE, "events": {**DATABASE, "OPTIONS": {"options": "-c search_path=events"}}})
django.setup()

from shop.models import BilledOrder, Order, PlacedOrder        # noqa: E402 (after the set-up)


def insert():
    Order.objects.create(key="single", value={"amount": 1})


def bulk():
    Order.objects.bulk_create(Order(key=f"bulk-{n}", value={"amount": n}) for n in range(1, 51))


def rollback():
    with transaction.atomic():
        Order.objects.create(key="undone", value={"amount": 1})
        PlacedOrder.objects.create(id="undone", amount=1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT eventlog.produce('events.orders', %s, %s)", ["undone", '{"amount": 2}'])
        transaction.set_rollback(True)


def together():
    with transaction.atomic():
        PlacedOrder.objects.create(id="together", amount=7)
        Order.objects.create(key="together", value={"amount": 7})


def produce():
    with transaction.atomic(), connection.cursor() as cursor:
        PlacedOrder.objects.create(id="produced", amount=8)
        cursor.execute("SELECT eventlog.produce('events.orders', %s, %s)", ["produced", '{"amount": 8}'])


def consume():
    for undo in True, False:
        with transaction.atomic(), connection.cursor() as cursor:
            # a JSONField reads jsonb; json psycopg has parsed already
            for order in Order.objects.raw("SELECT event_offset, key, value::jsonb"
                                           " FROM eventlog.consume('billing', 'events.orders')"):
                BilledOrder.objects.create(id=order.key, amount=order.value["amount"])
            cursor.execute("SELECT eventlog.commit('billing')")
            transaction.set_rollback(undo)


def columns():
    topics = connections["events"]
    with topics.cursor() as cursor:
        print(json.dumps([column.name for column in topics.introspection.get_table_description(cursor, "orders")]))


def diff():
    """makemigrations compares the models with the migrations; what inspectdb would write is compared with the models."""
    try:
        call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
    except SystemExit:
        call_command("makemigrations", dry_run=True)
    known = {model._meta.db_table: [field.column for field in model._meta.fields] for model in (PlacedOrder, BilledOrder)}
    introspection = connection.introspection
    with connection.cursor() as cursor:
        found = {table: [column.name for column in introspection.get_table_description(cursor, table)]
                 for table in introspection.table_names(cursor)}
    for table in sorted(known.keys() | found.keys()):
        if known.get(table) != found.get(table):
            print(f"{table}: the model has {known.get(table)}, the database {found.get(table)}")


exposed = diff

globals()[sys.argv[1]]()
