import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;

/**
 * A consumer of the topic "orders" in the group "billing", by JDBC.
 *
 * <p>Usage: Consumer at-most-once | at-least-once | exactly-once | claim | retry | retry-later, or Consumer pool MEMBER (needs
 * HikariCP). Connects by the environment variable JDBC_URL ("jdbc:postgresql://a,b/db?targetServerType=primary&amp;connectTimeout=2"
 * leads to whichever of them is the primary), which has prepareThreshold=0 through PgBouncer in transaction
 * mode, and goes on until it is killed. The work is a row in the table "worked".
 */
public class Consumer {
    // [again]
    /**
     * Do it again? Fenced, serialization, deadlock, not a member any more, in use; a standby, the connection, the
     * server, its resources.
     */
    static boolean again(SQLException error) {
        String state = error.getSQLState();
        return state == null || state.matches("40L01|40001|40P01|EL001|55006|25006|57P..|08...|53...");
    }

    /** Is it the event that is wrong (bad data, a constraint, RAISE), so that others may go on without it? */
    static boolean itsOwnFault(SQLException error) {
        return error.getSQLState() != null && error.getSQLState().matches("(22|23|P0)...");
    }
    // [/again]

    static final String URL = System.getenv("JDBC_URL");

    record Event(int partition, long offset, String key, String value, int attempt) {}

    static void work(Connection connection, Event event) throws SQLException {
        try (PreparedStatement insert = connection.prepareStatement(
                "INSERT INTO worked (partition, event_offset, key, value) VALUES (?, ?, ?, ?::jsonb)")) {
            insert.setInt(1, event.partition());
            insert.setLong(2, event.offset());
            insert.setString(3, event.key());
            insert.setString(4, event.value());
            insert.executeUpdate();
        }
    }

    static List<Event> events(Connection connection, String from, String... arguments) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(
                "SELECT partition, event_offset, key, value, coalesce((headers->>'attempt')::int, 1) FROM " + from)) {
            for (int i = 0; i < arguments.length; i++) {
                select.setString(i + 1, arguments[i]);
            }
            List<Event> events = new ArrayList<>();
            ResultSet row = select.executeQuery();
            while (row.next()) {
                events.add(new Event(row.getInt(1), row.getLong(2), row.getString(3), row.getString(4), row.getInt(5)));
            }
            return events;
        }
    }

    static void run(Connection connection, String sql, String... arguments) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < arguments.length; i++) {
                statement.setString(i + 1, arguments[i]);
            }
            statement.execute();
        }
    }

    // [at-most-once]
    static int atMostOnce(Connection connection) throws SQLException {
        List<Event> events = events(connection,
                "consume('billing', 'orders', max_events => 10, commit => true)");
        for (Event event : events) {
            work(connection, event); // who dies here loses the rest of the ten
        }
        return events.size();
    }
    // [/at-most-once]

    // [at-least-once]
    static int atLeastOnce(Connection connection) throws SQLException {
        List<Event> events = events(connection, "consume('billing', 'orders', max_events => 10)");
        for (Event event : events) {
            work(connection, event); // who dies here does these again
        }
        if (!events.isEmpty()) {
            run(connection, "SELECT commit('billing')");
        }
        return events.size();
    }
    // [/at-least-once]

    // [exactly-once]
    static int exactlyOnce(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        List<Event> events = events(connection, "consume('billing', 'orders', max_events => 10)");
        for (Event event : events) {
            work(connection, event);
        }
        if (!events.isEmpty()) {
            run(connection, "SELECT commit('billing')");
        }
        connection.commit();
        connection.setAutoCommit(true);
        return events.size();
    }
    // [/exactly-once]

    // [pool]
    static int pooled(HikariDataSource pool, String member) throws SQLException {
        try (Connection connection = pool.getConnection()) { // any of them: the member has a name
            connection.setAutoCommit(false);
            List<Event> events = events(connection,
                    "consume('billing', 'orders', max_events => 10, member => ?)", member);
            for (Event event : events) {
                work(connection, event);
            }
            if (!events.isEmpty()) {
                run(connection, "SELECT commit('billing', ?)", member);
            }
            connection.commit();
            return events.size();
        }
    }
    // [/pool]

    // [claim]
    static int claim(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        List<Event> events = events(connection, "claim('billing', 'orders', max_events => 10)");
        for (Event event : events) {
            work(connection, event);
        }
        connection.commit();
        connection.setAutoCommit(true);
        return events.size();
    }
    // [/claim]

    // [retry]
    /** What fails is tried again later, and set aside after three attempts; the others go on meanwhile. */
    static int withRetries(Connection connection, String group, String topic, String minAge) throws SQLException {
        connection.setAutoCommit(false);
        List<Event> events = events(connection,
                "consume(?, ?::regclass, max_events => 10, min_age => ?::interval)", group, topic, minAge);
        for (Event event : events) {
            Savepoint savepoint = connection.setSavepoint();
            try {
                work(connection, event);
            } catch (SQLException error) {
                if (!itsOwnFault(error)) {
                    throw error;
                }
                connection.rollback(savepoint);
                if (event.attempt() < 3) { // a copy, as it is on the log
                    run(connection, "SELECT produce('orders_retry', key, value, headers || jsonb_build_object('attempt', ?))"
                                    + " FROM read_topic(?::regclass, ?::int, ?::bigint, 1)", String.valueOf(event.attempt() + 1),
                            topic, String.valueOf(event.partition()), String.valueOf(event.offset()));
                } else {
                    run(connection, "SELECT dead_letter(?, ?::regclass, ?::int, ?::bigint, ?)", group, topic,
                            String.valueOf(event.partition()), String.valueOf(event.offset()), error.getMessage());
                }
            }
        }
        if (!events.isEmpty()) {
            run(connection, "SELECT commit(?)", group);
        }
        connection.commit();
        connection.setAutoCommit(true);
        return events.size();
    }

    static int retry(Connection connection) throws SQLException {
        return withRetries(connection, "billing", "orders", null);
    }

    /** For another process, which waits until the first is old enough. */
    static int retryLater(Connection connection) throws SQLException {
        return withRetries(connection, "billing_retry", "orders_retry", "2 seconds");
    }

    static final String WAIT_LATER = "CALL wait_for_events('billing_retry', '1 s', min_age => '2 seconds')";
    // [/retry]

    interface Step {
        int run(Connection connection) throws SQLException;
    }

    // [loop]
    static final String WAIT = "CALL wait_for_events('billing', '1 s')";

    static void waitFor(Connection connection, String wait, String... arguments) throws SQLException {
        try {
            run(connection, wait, arguments);
        } catch (SQLException error) {
            // the role's statement_timeout is shorter: the next step finds what came meanwhile
            if (!"57014".equals(error.getSQLState())) {
                throw error;
            }
        }
    }

    static void loop(Step step, String wait) throws Exception {
        long pause = 100;
        while (true) {
            try (Connection connection = DriverManager.getConnection(URL)) {
                while (true) {
                    if (step.run(connection) == 0) {
                        waitFor(connection, wait);
                    }
                    pause = 100;
                }
            } catch (SQLException error) { // begin again: nothing is left of what was not committed
                if (!again(error)) {
                    throw error;
                }
                System.err.println(error.getMessage());
                Thread.sleep(ThreadLocalRandom.current().nextLong(pause / 2, pause));
                pause = Math.min(2 * pause, 1_000);
            }
        }
    }
    // [/loop]

    static HikariDataSource openPool() {
        HikariDataSource pool = new HikariDataSource();
        pool.setJdbcUrl(URL);
        pool.setMaximumPoolSize(4);
        pool.setConnectionTimeout(1000);
        pool.setInitializationFailTimeout(-1);
        return pool;
    }

    /** Begins again with a new pool: an old one has connections to what is a standby now, and longer and longer pauses. */
    static void poolLoop(String member) throws Exception {
        long pause = 100;
        while (true) {
            try (HikariDataSource pool = openPool()) {
                while (true) {
                    if (pooled(pool, member) == 0) {
                        try (Connection connection = pool.getConnection()) {
                            waitFor(connection, "CALL wait_for_events('billing', '1 s', ?)", member);
                        }
                    }
                    pause = 100;
                }
            } catch (SQLException error) {
                if (!again(error)) {
                    throw error;
                }
                System.err.println(error.getMessage());
                Thread.sleep(ThreadLocalRandom.current().nextLong(pause / 2, pause));
                pause = Math.min(2 * pause, 1_000);
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "at-most-once" -> loop(Consumer::atMostOnce, WAIT);
            case "at-least-once" -> loop(Consumer::atLeastOnce, WAIT);
            case "exactly-once" -> loop(Consumer::exactlyOnce, WAIT);
            case "claim" -> loop(Consumer::claim, WAIT);
            case "retry" -> loop(Consumer::retry, WAIT);
            case "retry-later" -> loop(Consumer::retryLater, WAIT_LATER);
            case "pool" -> poolLoop(arguments[1]);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }
}
