// A consumer of the topic "orders" in the group "billing", by pgx.
//
// Usage: consumer at-most-once | at-least-once | exactly-once | claim | retry
//
//	consumer pool MEMBER
//
// Connects by the PG* environment variables and goes on until SIGTERM. The work is a row in the table "worked".
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

type event struct {
	Partition   int32
	EventOffset int64
	Key         *string
	Value       []byte // JSON
	Headers     map[string]string
}

// db is what a connection and a transaction have in common.
type db interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func work(ctx context.Context, db db, e event) error {
	_, err := db.Exec(ctx, "INSERT INTO worked (partition, event_offset, key, value) VALUES ($1, $2, $3, $4)",
		e.Partition, e.EventOffset, e.Key, e.Value)
	return err
}

func events(ctx context.Context, db db, from string, args ...any) ([]event, error) {
	rows, err := db.Query(ctx, "SELECT partition, event_offset, key, value, headers FROM "+from, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[event])
}

// [at-most-once]
func atMostOnce(ctx context.Context, conn *pgx.Conn) (int, error) {
	batch, err := events(ctx, conn, "consume('billing', 'orders', max_events => 10, commit => true)")
	for _, e := range batch {
		if err := work(ctx, conn, e); err != nil { // who dies here loses the rest of the ten
			return 0, err
		}
	}
	return len(batch), err
}

// [/at-most-once]

// [at-least-once]
func atLeastOnce(ctx context.Context, conn *pgx.Conn) (int, error) {
	batch, err := events(ctx, conn, "consume('billing', 'orders', max_events => 10)")
	for _, e := range batch {
		if err := work(ctx, conn, e); err != nil { // who dies here does these again
			return 0, err
		}
	}
	if len(batch) > 0 {
		_, err = conn.Exec(ctx, "SELECT commit('billing')")
	}
	return len(batch), err
}

// [/at-least-once]

// [exactly-once]
func exactlyOnce(ctx context.Context, conn *pgx.Conn) (n int, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		batch, err := events(ctx, tx, "consume('billing', 'orders', max_events => 10)")
		for _, e := range batch {
			if err := work(ctx, tx, e); err != nil {
				return err
			}
		}
		if n = len(batch); n > 0 {
			_, err = tx.Exec(ctx, "SELECT commit('billing')")
		}
		return err
	})
	return n, err
}

// [/exactly-once]

// [pool]
func pooled(ctx context.Context, pool *pgxpool.Pool, member string) (n int, err error) {
	// any connection of the pool: the member has a name
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		batch, err := events(ctx, tx, "consume('billing', 'orders', max_events => 10, member => $1)", member)
		for _, e := range batch {
			if err := work(ctx, tx, e); err != nil {
				return err
			}
		}
		if n = len(batch); n > 0 {
			_, err = tx.Exec(ctx, "SELECT commit('billing', $1::text)", member)
		}
		return err
	})
	return n, err
}

// [/pool]

// [claim]
func claim(ctx context.Context, conn *pgx.Conn) (n int, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		batch, err := events(ctx, tx, "claim('billing', 'orders', max_events => 10)")
		for _, e := range batch {
			if err := work(ctx, tx, e); err != nil {
				return err
			}
		}
		n = len(batch)
		return err
	})
	return n, err
}

// [/claim]

// again says whether to begin again: do the transaction again, or connect again.
func again(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return true // the connection
	}
	switch e.Code {
	case "40L01", "40001", "40P01", "EL001", "55006": // fenced, serialization, deadlock, not a member any more, in use
		return true
	}
	return strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "08")
}

// [retry]

// withRetries tries what fails again later, and sets it aside after three attempts; the others go on meanwhile.
func withRetries(ctx context.Context, conn *pgx.Conn, group, topic string, minAge *string) (n int, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		batch, err := events(ctx, tx, "consume($1, $2::text::regclass, max_events => 10, min_age => $3::text::interval)",
			group, topic, minAge)
		for _, e := range batch {
			failure := pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error { return work(ctx, savepoint, e) })
			if failure == nil {
				continue
			}
			if again(failure) {
				return failure // not the event's fault
			}
			attempt := 1
			if n, err := strconv.Atoi(e.Headers["attempt"]); err == nil {
				attempt = n
			}
			if attempt < 3 {
				_, err = tx.Exec(ctx, "SELECT produce('orders_retry', $1::text, $2::json, $3)",
					e.Key, e.Value, map[string]string{"attempt": strconv.Itoa(attempt + 1)})
			} else {
				_, err = tx.Exec(ctx, "SELECT dead_letter($1, $2::text::regclass, $3, $4, $5)",
					group, topic, e.Partition, e.EventOffset, failure.Error())
			}
			if err != nil {
				return err
			}
		}
		if n = len(batch); n > 0 {
			_, err = tx.Exec(ctx, "SELECT commit($1)", group)
		}
		return err
	})
	return n, err
}

func retry(ctx context.Context, conn *pgx.Conn) (int, error) {
	n, err := withRetries(ctx, conn, "billing", "orders", nil)
	if err != nil {
		return 0, err
	}
	age := "2 seconds"
	m, err := withRetries(ctx, conn, "billing_retry", "orders_retry", &age)
	return n + m, err
}

// [/retry]

// [loop]
func loop(ctx context.Context, step func(context.Context, *pgx.Conn) (int, error)) error {
	for ctx.Err() == nil {
		err := func() error {
			conn, err := pgx.Connect(ctx, "")
			if err != nil {
				return err
			}
			defer conn.Close(context.Background()) // nothing is left of what was not committed
			for ctx.Err() == nil && err == nil {
				var n int
				if n, err = step(ctx, conn); err == nil && n == 0 {
					_, err = conn.Exec(ctx, "CALL wait_for_events('billing', '1 s')")
				}
			}
			return err
		}()
		if err != nil && ctx.Err() == nil {
			if !again(err) {
				return err
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	return nil
}

// [/loop]

func poolLoop(ctx context.Context, member string) error {
	pool, err := pgxpool.New(ctx, "")
	if err != nil {
		return err
	}
	defer pool.Close()
	for ctx.Err() == nil {
		n, err := pooled(ctx, pool, member)
		if err == nil && n == 0 {
			_, err = pool.Exec(ctx, "CALL wait_for_events('billing', '1 s', $1)", member)
		}
		if err != nil && ctx.Err() == nil {
			if !again(err) {
				return err
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	// its partitions go to the others at once
	_, err = pool.Exec(context.Background(), "SELECT leave_group('billing', $1)", member)
	return err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var err error
	if os.Args[1] == "pool" {
		err = poolLoop(ctx, os.Args[2])
	} else {
		err = loop(ctx, map[string]func(context.Context, *pgx.Conn) (int, error){
			"at-most-once": atMostOnce, "at-least-once": atLeastOnce, "exactly-once": exactlyOnce, "claim": claim, "retry": retry,
		}[os.Args[1]])
	}
	if err != nil {
		log.Fatal(err)
	}
}
