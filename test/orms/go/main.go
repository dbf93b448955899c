// eventlog by GORM; the steps are those of ../check.py. Needs PG* variables.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

type placedOrder struct {
	ID     string `gorm:"primaryKey;size:40"`
	Amount *int   `gorm:"type:integer"`
}

func (placedOrder) TableName() string { return "placed_order" }

type billedOrder struct {
	ID     string `gorm:"primaryKey;size:40"`
	Amount *int   `gorm:"type:integer"`
}

func (billedOrder) TableName() string { return "billed_order" }

// order is an event. The server gives the fields that are only read: GORM would write zeros. AutoMigrate is not to look after it.
type order struct {
	Partition   int32     `gorm:"->"`
	EventOffset int64     `gorm:"->"`
	EventTime   time.Time `gorm:"->"`
	Key         *string
	Value       value           `gorm:"type:json;serializer:json"`
	Headers     json.RawMessage `gorm:"->"`
}

func (order) TableName() string { return "events.orders" }

type value struct {
	Amount int `json:"amount"`
}

func newOrder(key string, amount int) *order { return &order{Key: &key, Value: value{amount}} }

var errUndo = errors.New("undone on purpose")

func produce(tx *gorm.DB, key string, amount int) error {
	document, err := json.Marshal(value{amount})
	if err != nil {
		return err
	}
	return tx.Exec("SELECT eventlog.produce('events.orders', ?, ?)", key, string(document)).Error
}

func insert(db *gorm.DB) error { return db.Create(newOrder("single", 1)).Error }

func bulk(db *gorm.DB) error {
	var orders []*order
	for n := 1; n <= 50; n++ {
		orders = append(orders, newOrder(fmt.Sprintf("bulk-%d", n), n))
	}
	return db.CreateInBatches(orders, 20).Error
}

// rows runs creations one after the other, up to the first error.
func rows(tx *gorm.DB, rows ...any) error {
	for _, row := range rows {
		if err := tx.Create(row).Error; err != nil {
			return err
		}
	}
	return nil
}

func rollback(db *gorm.DB) error {
	one := 1
	err := db.Transaction(func(tx *gorm.DB) error {
		if err := rows(tx, newOrder("undone", one), &placedOrder{"undone", &one}); err != nil {
			return err
		}
		if err := produce(tx, "undone", 2); err != nil {
			return err
		}
		return errUndo
	})
	if errors.Is(err, errUndo) {
		return nil
	}
	return fmt.Errorf("not rolled back: %w", err)
}

func together(db *gorm.DB) error {
	seven := 7
	return db.Transaction(func(tx *gorm.DB) error {
		return rows(tx, &placedOrder{"together", &seven}, newOrder("together", seven))
	})
}

func produced(db *gorm.DB) error {
	eight := 8
	return db.Transaction(func(tx *gorm.DB) error {
		if err := rows(tx, &placedOrder{"produced", &eight}); err != nil {
			return err
		}
		return produce(tx, "produced", eight)
	})
}

func consume(db *gorm.DB) error {
	for _, outcome := range []error{errUndo, nil} {
		err := db.Transaction(func(tx *gorm.DB) error {
			var events []order
			if err := tx.Raw("SELECT * FROM eventlog.consume('billing', 'events.orders')").Scan(&events).Error; err != nil {
				return err
			}
			for _, event := range events {
				if err := rows(tx, &billedOrder{*event.Key, &event.Value.Amount}); err != nil {
					return err
				}
			}
			if err := tx.Exec("SELECT eventlog.commit('billing')").Error; err != nil {
				return err
			}
			return outcome
		})
		if !errors.Is(err, outcome) {
			return err
		}
	}
	return nil
}

func columns(db *gorm.DB) error {
	types, err := db.Migrator().ColumnTypes(&order{})
	if err != nil {
		return err
	}
	var names []string
	for _, column := range types {
		names = append(names, column.Name())
	}
	return json.NewEncoder(os.Stdout).Encode(names)
}

// definitions prints what changes the schema.
type definitions struct{ logger.Interface }

var definition = regexp.MustCompile(`^(CREATE|ALTER|DROP|COMMENT)`)

func (d definitions) Trace(_ context.Context, _ time.Time, statement func() (string, int64), _ error) {
	if sql, _ := statement(); definition.MatchString(sql) {
		fmt.Println(sql)
	}
}

func diff(models ...any) func(*gorm.DB) error {
	return func(db *gorm.DB) error {
		return db.Session(&gorm.Session{Logger: definitions{logger.Discard}}).AutoMigrate(models...)
	}
}

func main() {
	steps := map[string]func(*gorm.DB) error{
		"insert": insert, "bulk": bulk, "rollback": rollback, "together": together, "produce": produced, "consume": consume,
		"columns": columns,
		"diff":    diff(&placedOrder{}, &billedOrder{}),
		"exposed": diff(&placedOrder{}, &billedOrder{}, &order{}),
	}
	db, err := gorm.Open(postgres.Open(fmt.Sprintf("host=%s port=%s user=%s dbname=%s", os.Getenv("PGHOST"), os.Getenv("PGPORT"),
		os.Getenv("PGUSER"), os.Getenv("PGDATABASE"))), &gorm.Config{})
	if err == nil {
		var pool, e = db.DB()
		if err = e; err == nil {
			pool.SetMaxOpenConns(1)
			err = steps[os.Args[1]](db)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
