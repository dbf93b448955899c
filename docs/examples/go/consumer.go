// A consumer of the topic "orders" in the group "billing", by pgx.
//
// Usage: consumer at-most-once | at-least-once | exactly-once | claim | retry | retry-later
//
//	consumer pool MEMBER
//
// Connects by DATABASE_URL or the PG* environment variables (PGHOST=a,b PGTARGETSESSIONATTRS=read-write PGCONNECT_TIMEOUT=2: to
// whichever of them is the primary) and goes on until SIGTERM. Through PgBouncer in transaction
// mode set default_query_exec_mode=exec in DATABASE_URL. The work is a row in the table "worked".
package main

import (
	"context"
	"errors"
	"log"
	"math/rand"
	"os"
	"os/signal"
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
	Value       *string // JSON
	Attempt     int
}

// db is what a connection and a transaction have in common.
type db interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func work(ctx context.Context, db db, e event) error {
	_, err := db.Exec(ctx, "INSERT INTO worked (partition, event_offset, key, value) VALUES ($1, $2, $3, $4::jsonb)",
		e.Partition, e.EventOffset, e.Key, e.Value)
	return err
}

func events(ctx context.Context, db db, from string, args ...any) ([]event, error) {
	rows, err := db.Query(ctx, "SELECT partition, event_offset, key, value, coalesce((headers->>'attempt')::int, 1) FROM "+from, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[event])
}

// [at-most-once]
func atMostOnce(ctx context.Context, conn *pgx.Conn) (int, error) {
	batch, err := events(ctx, conn, "consume('billing', 'orders', max_events => 10, commit => true)")
	if err != nil {
		return 0, err
	}
	for _, e := range batch {
		if err := work(ctx, conn, e); err != nil { // who dies here loses the rest of the ten
			return 0, err
		}
	}
	return len(batch), nil
}

// [/at-most-once]

// [at-least-once]
func atLeastOnce(ctx context.Context, conn *pgx.Conn) (int, error) {
	batch, err := events(ctx, conn, "consume('billing', 'orders', max_events => 10)")
	if err != nil {
		return 0, err
	}
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
		if err != nil {
			return err
		}
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
		if err != nil {
			return err
		}
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
		if err != nil {
			return err
		}
		for _, e := range batch {
			if err := work(ctx, tx, e); err != nil {
				return err
			}
		}
		n = len(batch)
		return nil
	})
	return n, err
}

// [/claim]

// [again]

// again says whether to do it again: fenced, serialization, deadlock, not a member any more, in use; a standby, the connection,
// the server, its resources.
func again(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return !errors.As(err, &pgx.ScanArgError{}) // the connection
	}
	switch e.Code {
	case "40L01", "40001", "40P01", "EL001", "55006", "25006":
		return true
	}
	return strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "08") || strings.HasPrefix(e.Code, "53")
}

// itsOwnFault says whether the event is wrong (bad data, a constraint, RAISE), so that others may go on without it.
func itsOwnFault(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23") || strings.HasPrefix(e.Code, "P0"))
}

// [/again]

// [retry]

// withRetries tries what fails again later, and sets it aside after three attempts; the others go on meanwhile.
func withRetries(ctx context.Context, conn *pgx.Conn, group, topic string, minAge *string) (n int, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		batch, err := events(ctx, tx, "consume($1, $2::text::regclass, max_events => 10, min_age => $3::text::interval)",
			group, topic, minAge)
		if err != nil {
			return err
		}
		for _, e := range batch {
			failure := pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error { return work(ctx, savepoint, e) })
			if failure == nil {
				continue
			}
			if !itsOwnFault(failure) {
				return failure
			}
			if e.Attempt < 3 { // a copy, as it is on the log
				_, err = tx.Exec(ctx, "SELECT produce('orders_retry', key, value, headers || jsonb_build_object('attempt', $1::int::text))"+
					" FROM read_topic($2::text::regclass, $3, $4, 1)", e.Attempt+1, topic, e.Partition, e.EventOffset)
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
	return withRetries(ctx, conn, "billing", "orders", nil)
}

// retryLater is for another process, which waits until the first is old enough.
func retryLater(ctx context.Context, conn *pgx.Conn) (int, error) {
	age := "2 seconds"
	return withRetries(ctx, conn, "billing_retry", "orders_retry", &age)
}

const waitLater = "CALL wait_for_events('billing_retry', '1 s', min_age => '2 seconds')"

// [/retry]

// [loop]

// backOff sleeps and returns how long to sleep the next time.
func backOff(pause time.Duration) time.Duration {
	time.Sleep(pause/2 + time.Duration(rand.Int63n(int64(pause/2))))
	if pause *= 2; pause > time.Second {
		pause = time.Second
	}
	return pause
}

const wait = "CALL wait_for_events('billing', '1 s')"

func waitFor(ctx context.Context, db db, wait string, args ...any) error {
	_, err := db.Exec(ctx, wait, args...)
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "57014" {
		return nil // the role's statement_timeout is shorter: the next step finds what came meanwhile
	}
	return err
}

func loop(ctx context.Context, step func(context.Context, *pgx.Conn) (int, error), wait string) error {
	pause := 100 * time.Millisecond
	for ctx.Err() == nil {
		err := func() error {
			conn, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
			if err != nil {
				return err
			}
			defer conn.Close(context.Background()) // nothing is left of what was not committed
			for ctx.Err() == nil {
				n, err := step(ctx, conn)
				if err == nil && n == 0 {
					err = waitFor(ctx, conn, wait)
				}
				if err != nil {
					return err
				}
				pause = 100 * time.Millisecond
			}
			return nil
		}()
		if err != nil && ctx.Err() == nil {
			if !again(err) {
				return err
			}
			log.Print(err)
			pause = backOff(pause)
		}
	}
	return nil
}

// [/loop]

func poolLoop(ctx context.Context, member string) error {
	pause := 100 * time.Millisecond
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer pool.Close()
	for ctx.Err() == nil {
		n, err := pooled(ctx, pool, member)
		if err == nil && n == 0 {
			err = waitFor(ctx, pool, "CALL wait_for_events('billing', '1 s', $1)", member)
		}
		if err != nil && ctx.Err() == nil {
			if !again(err) {
				return err
			}
			log.Print(err)
			pool.Reset() // its connections may lead to a server that is a standby now
			pause = backOff(pause)
		} else {
			pause = 100 * time.Millisecond
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
	switch os.Args[1] {
	case "pool":
		err = poolLoop(ctx, os.Args[2])
	case "retry-later":
		err = loop(ctx, retryLater, waitLater)
	default:
		err = loop(ctx, map[string]func(context.Context, *pgx.Conn) (int, error){
			"at-most-once": atMostOnce, "at-least-once": atLeastOnce, "exactly-once": exactlyOnce, "claim": claim, "retry": retry,
		}[os.Args[1]], wait)
	}
	if err != nil {
		log.Fatal(err)
	}
}
