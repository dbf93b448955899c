"""eventlog by SQLAlchemy and Alembic; the steps are those of ../check.py. Needs PG* variables."""
import datetime
import json
import sys

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import BigInteger, FetchedValue, String, create_engine, func, inspect, select, text
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    """The tables that Alembic looks after."""


class Topics(DeclarativeBase):
    """Topics are not among them: their metadata are others."""


class PlacedOrder(Base):
    __tablename__ = "placed_order"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    amount: Mapped[int | None]


class BilledOrder(Base):
    __tablename__ = "billed_order"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    amount: Mapped[int | None]


class Order(Topics):
    """An event. No column alone is a key, and the server gives both."""
    __tablename__ = "orders"
    __table_args__ = {"schema": "events"}
    partition: Mapped[int] = mapped_column(primary_key=True, server_default=FetchedValue())
    event_offset: Mapped[int] = mapped_column(BigInteger, primary_key=True, server_default=FetchedValue())
    event_time: Mapped[datetime.datetime] = mapped_column(server_default=FetchedValue())
    key: Mapped[str | None]
    value: Mapped[dict | None] = mapped_column(JSON)
    headers: Mapped[dict | None] = mapped_column(JSONB)


engine = create_engine("postgresql+psycopg://", pool_size=1, max_overflow=0)


def insert():
    with Session(engine) as session, session.begin():
        session.add(Order(key="single", value={"amount": 1}))


def bulk():
    with Session(engine) as session, session.begin():
        session.add_all(Order(key=f"bulk-{n}", value={"amount": n}) for n in range(1, 51))


def rollback():
    with Session(engine) as session:
        session.add(Order(key="undone", value={"amount": 1}))
        session.add(PlacedOrder(id="undone", amount=1))
        session.flush()
        session.execute(select(func.eventlog.produce("events.orders", "undone", '{"amount": 2}')))
        session.rollback()


def together():
    with Session(engine) as session, session.begin():
        session.add(PlacedOrder(id="together", amount=7))
        session.add(Order(key="together", value={"amount": 7}))


def produce():
    with Session(engine) as session, session.begin():
        session.add(PlacedOrder(id="produced", amount=8))
        session.execute(select(func.eventlog.produce("events.orders", "produced", '{"amount": 8}')))


def consume():
    for end in Session.rollback, Session.commit:
        with Session(engine) as session:
            for key, value in session.execute(text("SELECT key, value FROM eventlog.consume('billing', 'events.orders')")):
                session.add(BilledOrder(id=key, amount=value["amount"]))
            session.flush()
            session.execute(select(func.eventlog.commit("billing")))
            end(session)


def columns():
    print(json.dumps([column["name"] for column in inspect(engine).get_columns("orders", schema="events")]))


def diff():
    with engine.connect() as connection:
        migrations = produce_migrations(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata)
    if not migrations.upgrade_ops.is_empty():
        print(render_python_code(migrations.upgrade_ops))


exposed = diff

globals()[sys.argv[1]]()
