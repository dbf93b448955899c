// eventlog by pgx: everything a client does, with the values pgx sends. pgx asks the server for the parameters'
// types and encodes each value for its type; where produce is to get something else than text, the parameter
// says so ($2::bigint). Needs PG* variables.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"reflect"
	"sort"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

type event struct {
	Partition   int32
	EventOffset int64
	EventTime   time.Time
	Key         *string
	Value       any
	Headers     map[string]string
}

const columns = "SELECT partition, event_offset, event_time, key, value, headers FROM "

var (
	ctx    = context.Background()
	conn   *pgx.Conn
	prefix = func() string {
		b := make([]byte, 4)
		_, err := rand.Read(b)
		try(err)
		return fmt.Sprintf("driver_pgx_%x", b)
	}()
	topic    = func(kind string) string { return prefix + "_" + kind }
	group    = prefix + "_group"
	uuid7    = [16]byte{15: 7}
	document = map[string]any{"id": 1.0, "name": "Zoë €", "nested": map[string]any{"list": []any{1.0, nil, "x"}}}
)

func ok(what string) { fmt.Println("ok - pgx:", what) }

func try(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func same(got, want any) {
	if !reflect.DeepEqual(got, want) {
		log.Panicf("got %#v, not %#v", got, want)
	}
}

func one[T any](query string, args ...any) (result T) {
	try(conn.QueryRow(ctx, query, args...).Scan(&result))
	return
}

func produce(args ...any) int32 { return one[int32]("SELECT produce($1, $2, $3)", args...) }

func events(query string, args ...any) []event {
	rows, err := conn.Query(ctx, columns+query, args...)
	try(err)
	result, err := pgx.CollectRows(rows, pgx.RowToStructByPos[event])
	try(err)
	return result
}

// values maps each key to its values, sorted; no key is "-"
func values(events []event) map[string][]any {
	result := map[string][]any{}
	for _, e := range events {
		key := "-"
		if e.Key != nil {
			key = *e.Key
		}
		result[key] = append(result[key], e.Value)
	}
	for _, list := range result {
		sort.Slice(list, func(i, j int) bool { return fmt.Sprint(list[i]) < fmt.Sprint(list[j]) })
	}
	return result
}

func places(events []event) (result []string) {
	for _, e := range events {
		result = append(result, fmt.Sprint(e.Partition, "/", e.EventOffset))
	}
	sort.Strings(result)
	return
}

func rolledBack(work func() []event) []event {
	tx, err := conn.Begin(ctx)
	try(err)
	result := work()
	try(tx.Rollback(ctx))
	return result
}

// later runs a statement in another connection after a moment
func later(query string, args ...any) chan error {
	done := make(chan error)
	go func() {
		time.Sleep(300 * time.Millisecond)
		other, err := pgx.Connect(ctx, "")
		if err == nil {
			_, err = other.Exec(ctx, query, args...)
			other.Close(ctx)
		}
		done <- err
	}()
	return done
}

func expectError(code, query string, args ...any) {
	_, err := conn.Exec(ctx, query, args...)
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != code {
		log.Panicf("%s: %v, not %s", query, err, code)
	}
}

func testProduce() {
	text, json, bytes, uuid, big := topic("text"), topic("json"), topic("bytes"), topic("uuid"), topic("big")
	first := produce(text, "key", "value Zoë €")
	same(first >= 0 && first <= 2, true)
	same(produce(text, "key", "second"), first)
	same(one[int32]("SELECT produce($1, $2, $3, headers => $4, partition => $5, event_time => $6)", text, "key", "third",
		map[string]string{"trace": "abc"}, int64(1), time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)), int32(1))
	ok("produce text, headers, partition, time")

	one[int32]("SELECT produce($1, $2, $3::json)", json, "order-1", document)
	one[int32]("SELECT produce($1, $2, $3::jsonb)", json, "order-2", document)
	ok("produce JSON")

	one[int32]("SELECT produce($1, $2, $3::bytea)", bytes, "b", []byte("\x00\x01\xffabc"))
	ok("produce bytes")

	one[int32]("SELECT produce($1, $2::uuid, $3)", uuid, uuid7, "[1, 2]")
	ok("produce with a uuid key")

	one[int32]("SELECT produce($1, $2::bigint, $3::bigint)", big, int64(42), int64(9007199254740993))
	ok("produce bigint")

	produce(text, "gone", nil)
	produce(text, nil, "no key")
	ok("produce NULL")

	_, err := conn.Exec(ctx, "INSERT INTO "+json+" (key, value) VALUES ($1, $2)", "order-3", document)
	try(err)
	_, err = conn.Exec(ctx, "INSERT INTO "+big+" (key, value) VALUES ($1, $2)", int64(43), int64(1))
	try(err)
	ok("INSERT")

	batch := []map[string]any{}
	for n := 0; n < 3; n++ {
		batch = append(batch, map[string]any{"key": fmt.Sprint("batch-", n), "value": map[string]any{"n": n}})
	}
	// pgx encodes by the type of the parameter, which without the cast is text
	same(one[int64]("SELECT produce_batch($1, $2::json)", json, batch), int64(3))
	null, one_, three, a, b := (*string)(nil), "1", "3", "a", "b"
	same(one[int64]("SELECT produce_batch($1, $2, $3)", text, []*string{&a, &b, null}, []*string{&one_, null, &three}), int64(3))
	ok("produce_batch")
}

func testConsume() {
	text, json, bytes, uuid, big := topic("text"), topic("json"), topic("bytes"), topic("uuid"), topic("big")
	consume := func() []event { return events("consume($1, $2, max_events => $3)", group, json, int64(100)) }
	delivered := rolledBack(consume)
	same(len(delivered), 6)
	tx, err := conn.Begin(ctx)
	try(err)
	same(places(consume()), places(delivered))
	same(one[int32]("SELECT commit($1)", group) >= 1, true)
	try(tx.Commit(ctx))
	same(len(consume()), 0)
	want := map[string][]any{}
	for n := 0; n < 3; n++ {
		want[fmt.Sprint("order-", n+1)] = []any{document}
		want[fmt.Sprint("batch-", n)] = []any{map[string]any{"n": float64(n)}}
	}
	same(values(delivered), want)
	ok("consume and commit in a transaction")

	list := events("consume($1, $2, commit => true)", group, text)
	same(values(list), map[string][]any{"key": {"second", "third", "value Zoë €"}, "gone": {nil},
		"a": {"1"}, "b": {nil}, "-": {"3", "no key"}})
	for _, e := range list {
		if e.Value == "third" {
			same([]any{e.Partition, e.EventTime.UTC(), e.Headers},
				[]any{int32(1), time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), map[string]string{"trace": "abc"}})
		}
	}
	same(len(events("consume($1, $2, commit => true)", group, text)), 0)
	ok("consume with commit => true")

	var key, value []byte
	try(conn.QueryRow(ctx, "SELECT key, value FROM consume_bytes($1, $2, commit => true)", group, bytes).Scan(&key, &value))
	same([][]byte{key, value}, [][]byte{[]byte("b"), []byte("\x00\x01\xffabc")})
	ok("consume_bytes")

	same(values(events("consume($1, $2, commit => true)", group, uuid)),
		map[string][]any{"00000000-0000-0000-0000-000000000007": {[]any{1.0, 2.0}}})
	same(len(events("consume($1, $2, commit => true)", group, big)), 2)
	var k, v int64
	try(conn.QueryRow(ctx, "SELECT key, value FROM "+big+" ORDER BY event_offset LIMIT 1").Scan(&k, &v))
	same([]int64{k, v}, []int64{42, 9007199254740993})
	same(values(events("read_topic($1, $2, from_offset => $3)", big, int64(0), int64(1))), map[string][]any{"43": {1.0}})
	ok("typed keys and values, read_topic")
}

func testClaim() {
	claim := func() []event {
		return events("claim($1, $2, max_events => $3)", prefix+"_claims", topic("json"), int64(100))
	}
	claimed := rolledBack(claim)
	same(len(claimed), 6)
	same(places(claim()), places(claimed))
	same(len(claim()), 0)
	ok("claim")
}

func testWait() {
	json := topic("json")
	begin := time.Now()
	done := later("SELECT produce($1, $2, $3::json)", json, "woken", 1)
	same(values(events("consume($1, $2, wait => '10 s', commit => true)", group, json)), map[string][]any{"woken": {1.0}})
	try(<-done)
	same(time.Since(begin) < 5*time.Second, true)
	ok("consume waits for another connection")

	begin = time.Now()
	done = later("SELECT produce($1, $2, $3::json)", json, "woken", 2)
	same(one[bool]("CALL wait_for_events($1, $2)", group, 10*time.Second), true)
	try(<-done)
	same(time.Since(begin) < 5*time.Second, true)
	same(values(events("consume($1, $2, commit => true)", group, json)), map[string][]any{"woken": {2.0}})
	ok("CALL wait_for_events")
}

func main() {
	var err error
	conn, err = pgx.Connect(ctx, "")
	try(err)
	one[string]("SELECT create_topic($1, $2, value_type => 'text')::text", topic("text"), int64(3))
	one[string]("SELECT create_topic($1, $2)::text", topic("json"), int64(2))
	one[string]("SELECT create_topic($1, value_type => 'bytea')::text", topic("bytes"))
	one[string]("SELECT create_topic($1, $2, 'uuid', 'jsonb', $3)::text", topic("uuid"), int64(2), map[string]string{"compression": "none"})
	one[string]("SELECT create_topic($1, key_type => 'bigint', value_type => 'bigint')::text", topic("big"))
	ok("create_topic")
	testProduce()
	testConsume()
	testClaim()
	testWait()
	expectError("42P01", "SELECT produce($1, $2, $3)", topic("none"), "k", "v")
	expectError("22P02", "SELECT produce($1, $2, $3)", topic("json"), "k", "{not json")
	expectError("EL001", "SELECT commit($1)", topic("nobody"))
	ok("error codes")
	for _, kind := range []string{"text", "json", "bytes", "uuid", "big"} {
		_, err := conn.Exec(ctx, "SELECT drop_topic($1)", topic(kind))
		try(err)
	}
	ok("drop_topic")
	try(conn.Close(ctx))
}
