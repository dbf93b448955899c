import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.postgresql.util.PGobject;

/**
 * eventlog by pgjdbc: everything a client does, with the values pgjdbc sends (a String as varchar, a Long as int8,
 * JSON as a PGobject). Needs PG* variables; PGHOST is the folder of a unix socket, which pgjdbc reaches by junixsocket.
 */
public class Driver {
    static final String PREFIX = "driver_pgjdbc_" + UUID.randomUUID().toString().substring(0, 8);
    static final String TEXT = PREFIX + "_text", JSON = PREFIX + "_json", BYTES = PREFIX + "_bytes",
            UUIDS = PREFIX + "_uuid", BIG = PREFIX + "_big", GROUP = PREFIX + "_group", CLAIMS = PREFIX + "_claims";
    static final String DOCUMENT = "{\"id\":1,\"name\":\"Zoë €\",\"nested\":{\"list\":[1,null,\"x\"]}}";

    static Connection connection;

    static Connection connect() throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("socketFactory", "org.newsclub.net.unix.AFUNIXSocketFactory$FactoryArg");
        properties.setProperty("socketFactoryArg", System.getenv("PGHOST") + "/.s.PGSQL." + System.getenv("PGPORT"));
        properties.setProperty("sslmode", "disable");
        return DriverManager.getConnection("jdbc:postgresql://localhost/" + System.getenv("PGDATABASE"), properties);
    }

    static void ok(String what) {
        System.out.println("ok - pgjdbc: " + what);
    }

    static void same(Object got, Object want) {
        if (!Objects.deepEquals(got, want)) {
            throw new AssertionError("got " + got + ", not " + want);
        }
    }

    static PGobject json(String type, String text) throws SQLException {
        PGobject object = new PGobject();
        object.setType(type);
        object.setValue(text);
        return object;
    }

    /** Runs a statement; the rows as lists, arrays of bytes as lists of bytes so that they compare. */
    static List<List<Object>> rows(Connection connection, String query, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(query)) {
            for (int i = 0; i < parameters.length; i++) {
                if (parameters[i] == null) {
                    statement.setNull(i + 1, Types.VARCHAR);
                } else {
                    statement.setObject(i + 1, parameters[i]);
                }
            }
            List<List<Object>> rows = new ArrayList<>();
            if (!statement.execute()) {
                return rows;
            }
            ResultSet result = statement.getResultSet();
            while (result.next()) {
                List<Object> row = new ArrayList<>();
                for (int i = 1; i <= result.getMetaData().getColumnCount(); i++) {
                    Object value = result.getObject(i);
                    row.add(value instanceof PGobject ? ((PGobject) value).getValue()
                            : value instanceof byte[] ? Arrays.toString((byte[]) value) : value);
                }
                rows.add(row);
            }
            return rows;
        }
    }

    static List<List<Object>> rows(String query, Object... parameters) throws SQLException {
        return rows(connection, query, parameters);
    }

    static Object one(String query, Object... parameters) throws SQLException {
        return rows(query, parameters).get(0).get(0);
    }

    /** Runs a statement in another connection after a moment. */
    static CompletableFuture<Void> later(String query, Object... parameters) {
        return CompletableFuture.runAsync(() -> {
            try {
                Thread.sleep(300);
                try (Connection other = connect()) {
                    rows(other, query, parameters);
                }
            } catch (Exception e) {
                throw new RuntimeException(e);
            }
        });
    }

    static void expectError(String state, String query, Object... parameters) throws SQLException {
        try {
            rows(query, parameters);
        } catch (SQLException e) {
            same(e.getSQLState(), state);
            return;
        }
        throw new AssertionError(query + " did not fail with " + state);
    }

    /** The values of each key, sorted. */
    static Map<String, List<String>> byKey(List<List<Object>> rows) {
        Map<String, List<String>> result = new TreeMap<>();
        for (List<Object> row : rows) {
            List<String> values = result.computeIfAbsent(String.valueOf(row.get(0)), key -> new ArrayList<>());
            values.add(String.valueOf(row.get(1)));
            values.sort(null);
        }
        return result;
    }

    static void produce() throws SQLException {
        int first = (Integer) one("SELECT produce(?, ?, ?)", TEXT, "key", "value Zoë €");
        same(first >= 0 && first <= 2, true);
        same(one("SELECT produce(?, ?, ?)", TEXT, "key", "second"), first);
        same(one("SELECT produce(?, ?, ?, headers => ?, partition => ?, event_time => ?)", TEXT, "key", "third",
                json("jsonb", "{\"trace\": \"abc\"}"), 1L, OffsetDateTime.parse("2024-05-06T07:08:09Z")), 1);
        ok("produce text, headers, partition, time");

        one("SELECT produce(?, ?, ?)", JSON, "order-1", json("json", DOCUMENT));
        one("SELECT produce(?, ?, ?)", JSON, "order-2", json("jsonb", DOCUMENT));
        one("SELECT produce(?, ?, ?)", JSON, "order-3", DOCUMENT);
        ok("produce JSON");

        one("SELECT produce(?, ?, ?)", BYTES, "b", new byte[] {0, 1, -1, 'a', 'b', 'c'});
        ok("produce bytes");

        one("SELECT produce(?, ?, ?)", UUIDS, new UUID(0, 7), json("jsonb", "[1, 2]"));
        ok("produce with a uuid key");

        one("SELECT produce(?, ?, ?)", BIG, 42L, 9007199254740993L);
        ok("produce bigint");

        one("SELECT produce(?, ?, ?)", TEXT, "gone", null);
        one("SELECT produce(?, ?, ?)", TEXT, null, "no key");
        ok("produce NULL");

        rows("INSERT INTO " + JSON + " (key, value) VALUES (?, ?)", "order-4", json("json", DOCUMENT));
        rows("INSERT INTO " + BIG + " (key, value) VALUES (?, ?)", 43L, 1L);
        ok("INSERT");

        same(one("SELECT produce_batch(?, ?)", JSON, json("jsonb", "[{\"key\": \"batch\", \"value\": {\"n\": 0}}]")), 1L);
        same(one("SELECT produce_batch(?, ?)", JSON, "[{\"key\": \"batch\", \"value\": {\"n\": 1}}]"), 1L);
        same(one("SELECT produce_batch(?, ?, ?)", TEXT, connection.createArrayOf("text", new String[] {"a", "b", null}),
                connection.createArrayOf("text", new String[] {"1", null, "3"})), 3L);
        ok("produce_batch");
    }

    static void consume() throws SQLException {
        String query = "SELECT partition, event_offset FROM consume(?, ?, max_events => ?) ORDER BY 1, 2";
        connection.setAutoCommit(false);
        List<List<Object>> delivered = rows(query, GROUP, JSON, 100L);
        same(delivered.size(), 6);
        connection.rollback();
        same(rows(query, GROUP, JSON, 100L), delivered);
        connection.rollback();
        Map<String, List<String>> values = byKey(rows("SELECT key, value FROM consume(?, ?)", GROUP, JSON));
        same((Integer) one("SELECT commit(?)", GROUP) >= 1, true);
        connection.commit();
        connection.setAutoCommit(true);
        same(rows(query, GROUP, JSON, 100L), List.of());
        for (String key : List.of("order-1", "order-3", "order-4")) {
            same(values.get(key), List.of(DOCUMENT));
        }
        same(values.get("order-2").get(0).replace(" ", "").length(), DOCUMENT.replace(" ", "").length());
        same(values.get("batch").size(), 2);
        ok("consume and commit in a transaction");

        query = "SELECT key, value #>> '{}' AS value, partition, event_time, headers FROM consume(?, ?, commit => true)";
        List<List<Object>> events = rows(query, GROUP, TEXT);
        same(byKey(events), Map.of("key", List.of("second", "third", "value Zoë €"), "gone", List.of("null"),
                "a", List.of("1"), "b", List.of("null"), "null", List.of("3", "no key")));
        for (List<Object> event : events) {
            if ("third".equals(event.get(1))) {
                same(event.get(2), 1);
                same(((java.sql.Timestamp) event.get(3)).toInstant(), OffsetDateTime.parse("2024-05-06T07:08:09Z").toInstant());
                same(event.get(4), "{\"trace\": \"abc\"}");
            }
        }
        same(rows(query, GROUP, TEXT), List.of());
        ok("consume with commit => true");

        same(rows("SELECT key, value FROM consume_bytes(?, ?, commit => true)", GROUP, BYTES),
                List.of(List.of("[98]", "[0, 1, -1, 97, 98, 99]")));
        ok("consume_bytes");

        same(rows("SELECT key, value FROM consume(?, ?, commit => true)", GROUP, UUIDS),
                List.of(List.of("00000000-0000-0000-0000-000000000007", "[1, 2]")));
        same(rows("SELECT key, value FROM consume(?, ?, commit => true)", GROUP, BIG),
                List.of(List.of("42", "9007199254740993"), List.of("43", "1")));
        same(rows("SELECT key, value FROM " + BIG + " ORDER BY event_offset"),
                List.of(List.of(42L, 9007199254740993L), List.of(43L, 1L)));
        same(rows("SELECT key, value FROM read_topic(?, ?, from_offset => ?)", BIG, 0L, 1L), List.of(List.of("43", "1")));
        ok("typed keys and values, read_topic");
    }

    static void claim() throws SQLException {
        String query = "SELECT partition, event_offset FROM claim(?, ?, max_events => ?) ORDER BY 1, 2";
        connection.setAutoCommit(false);
        List<List<Object>> claimed = rows(query, CLAIMS, JSON, 100L);
        same(claimed.size(), 6);
        connection.rollback();
        connection.setAutoCommit(true);
        same(rows(query, CLAIMS, JSON, 100L), claimed);
        same(rows(query, CLAIMS, JSON, 100L), List.of());
        ok("claim");
    }

    static void waiting() throws Exception {
        long begin = System.nanoTime();
        CompletableFuture<Void> producer = later("SELECT produce(?, ?, ?)", JSON, "woken", "1");
        same(rows("SELECT key, value FROM consume(?, ?, wait => '10 s', commit => true)", GROUP, JSON),
                List.of(List.of("woken", "1")));
        producer.get();
        same(System.nanoTime() - begin < 5_000_000_000L, true);
        ok("consume waits for another connection");

        begin = System.nanoTime();
        producer = later("SELECT produce(?, ?, ?)", JSON, "woken", "2");
        same(one("CALL wait_for_events(?, ?::interval)", GROUP, "10 s"), true);
        producer.get();
        same(System.nanoTime() - begin < 5_000_000_000L, true);
        same(rows("SELECT key, value FROM consume(?, ?, commit => true)", GROUP, JSON), List.of(List.of("woken", "2")));
        ok("CALL wait_for_events");
    }

    static void errors() throws SQLException {
        expectError("42P01", "SELECT produce(?, ?, ?)", PREFIX + "_none", "k", "v");
        expectError("22P02", "SELECT produce(?, ?, ?)", JSON, "k", "{not json");
        expectError("EL001", "SELECT commit(?)", PREFIX + "_nobody");
        ok("error codes");
    }

    public static void main(String[] arguments) throws Exception {
        connection = connect();
        one("SELECT create_topic(?, ?, value_type => 'text')", TEXT, 3L);
        one("SELECT create_topic(?, ?)", JSON, 2L);
        one("SELECT create_topic(?, value_type => 'bytea')", BYTES);
        one("SELECT create_topic(?, ?, 'uuid', 'jsonb', ?)", UUIDS, 2L, json("jsonb", "{\"compression\": \"none\"}"));
        one("SELECT create_topic(?, key_type => 'bigint', value_type => 'bigint')", BIG);
        ok("create_topic");
        produce();
        consume();
        claim();
        waiting();
        errors();
        for (String topic : List.of(TEXT, JSON, BYTES, UUIDS, BIG)) {
            one("SELECT drop_topic(?)", topic);
        }
        ok("drop_topic");
        connection.close();
    }
}
