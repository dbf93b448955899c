import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.StatelessSession;
import org.hibernate.annotations.JdbcTypeCode;
import org.hibernate.engine.spi.SessionFactoryImplementor;
import org.hibernate.boot.MetadataSources;
import org.hibernate.boot.registry.StandardServiceRegistryBuilder;
import org.hibernate.persister.entity.AbstractEntityPersister;
import org.hibernate.tool.schema.spi.SchemaManagementException;
import org.hibernate.type.SqlTypes;

/**
 * eventlog by Hibernate; the steps are those of ../check.py. Needs PG* variables; PGHOST is the folder of a unix socket, which
 * pgjdbc reaches by junixsocket.
 */
public class HibernateShop {
    @Entity(name = "PlacedOrder")
    @Table(name = "placed_order")
    public static class PlacedOrder {
        @Id
        @Column(length = 40)
        String id;
        Integer amount;

        PlacedOrder() {
        }

        PlacedOrder(String id, int amount) {
            this.id = id;
            this.amount = amount;
        }
    }

    @Entity(name = "BilledOrder")
    @Table(name = "billed_order")
    public static class BilledOrder {
        @Id
        @Column(length = 40)
        String id;
        Integer amount;

        BilledOrder() {
        }

        BilledOrder(String id, int amount) {
            this.id = id;
            this.amount = amount;
        }
    }

    /**
     * An event. Hibernate takes one column that the server gives for its key; an offset is not unique, so more than one event
     * is written by a StatelessSession, which remembers none, and events are read by consume().
     */
    @Entity(name = "Order")
    @Table(name = "orders", schema = "events")
    public static class Order {
        @Column(insertable = false)
        Integer partition;
        @Id
        @GeneratedValue(strategy = GenerationType.IDENTITY)
        @Column(name = "event_offset")
        Long eventOffset;
        @Column(name = "event_time", insertable = false)
        OffsetDateTime eventTime;
        @Column(columnDefinition = "text")
        String key;
        @JdbcTypeCode(SqlTypes.JSON)
        @Column(columnDefinition = "json")
        Map<String, Integer> value;
        @JdbcTypeCode(SqlTypes.JSON)
        Map<String, String> headers;

        Order() {
        }

        Order(String key, int amount) {
            this.key = key;
            this.value = Map.of("amount", amount);
        }
    }

    /** An event by somebody who has not looked. */
    @Entity(name = "WrongOrder")
    @Table(name = "orders", schema = "events")
    public static class WrongOrder {
        @Id
        String id;
        Integer amount;
    }

    static final List<Class<?>> ENTITIES = List.of(PlacedOrder.class, BilledOrder.class, Order.class);

    static SessionFactory factory() {
        return factory(ENTITIES, Map.of());
    }

    static SessionFactory factory(List<Class<?>> entities, Map<String, Object> more) {
        Map<String, Object> settings = new TreeMap<>(more);
        settings.put("hibernate.connection.url", "jdbc:postgresql://localhost/" + System.getenv("PGDATABASE"));
        settings.put("hibernate.connection.username", System.getenv("PGUSER"));
        settings.put("hibernate.connection.socketFactory", "org.newsclub.net.unix.AFUNIXSocketFactory$FactoryArg");
        settings.put("hibernate.connection.socketFactoryArg", System.getenv("PGHOST") + "/.s.PGSQL." + System.getenv("PGPORT"));
        settings.put("hibernate.connection.sslmode", "disable");
        settings.put("hibernate.connection.pool_size", "1");
        MetadataSources sources = new MetadataSources(new StandardServiceRegistryBuilder().applySettings(settings).build());
        entities.forEach(sources::addAnnotatedClass);
        return sources.buildMetadata().buildSessionFactory();
    }

    static void work(Consumer<Session> work) {
        try (SessionFactory factory = factory()) {
            factory.inTransaction(work);
        }
    }

    static void insert() {
        work(session -> session.persist(new Order("single", 1)));
    }

    static void bulk() {
        try (SessionFactory factory = factory(); StatelessSession session = factory.openStatelessSession()) {
            session.beginTransaction();
            for (int n = 1; n <= 50; n++) {
                session.insert(new Order("bulk-" + n, n));
            }
            session.getTransaction().commit();
        }
    }

    static void produce(Session session, String key, int amount) {
        session.createNativeQuery("SELECT eventlog.produce('events.orders', :key, :value)", Integer.class)
                .setParameter("key", key).setParameter("value", "{\"amount\": " + amount + "}").getSingleResult();
    }

    static void rollback() {
        work(session -> {
            session.persist(new Order("undone", 1));
            session.persist(new PlacedOrder("undone", 1));
            session.flush();
            produce(session, "undone", 2);
            session.getTransaction().setRollbackOnly();
        });
    }

    static void together() {
        work(session -> {
            session.persist(new PlacedOrder("together", 7));
            session.persist(new Order("together", 7));
        });
    }

    static void produce() {
        work(session -> {
            session.persist(new PlacedOrder("produced", 8));
            produce(session, "produced", 8);
        });
    }

    static void consume() {
        try (SessionFactory factory = factory()) {
            for (boolean undo : new boolean[] {true, false}) {
                factory.inTransaction(session -> {
                    List<Object[]> events = session.createNativeQuery("SELECT key, (value->>'amount')::int"
                            + " FROM eventlog.consume('billing', 'events.orders')", Object[].class).getResultList();
                    events.forEach(event -> session.persist(new BilledOrder((String) event[0], (Integer) event[1])));
                    session.flush();
                    session.createNativeQuery("SELECT eventlog.commit('billing')", Integer.class).getSingleResult();
                    if (undo) {
                        session.getTransaction().setRollbackOnly();
                    }
                });
            }
        }
    }

    /** The columns that hbm2ddl=validate has found to be there, and of their types. */
    static void columns() {
        try (SessionFactory factory = factory(ENTITIES, Map.of("hibernate.hbm2ddl.auto", "validate"))) {
            AbstractEntityPersister order = (AbstractEntityPersister) factory.unwrap(SessionFactoryImplementor.class)
                    .getMappingMetamodel().getEntityDescriptor(Order.class);
            Stream<String> others = Arrays.stream(order.getPropertyNames()).map(name -> order.getPropertyColumnNames(name)[0]);
            System.out.println(Stream.concat(Arrays.stream(order.getIdentifierColumnNames()), others)
                    .collect(Collectors.joining("\", \"", "[\"", "\"]")));
        }
    }

    /** What hbm2ddl=update does, and what hbm2ddl=validate does not like then. */
    static void diff(List<Class<?>> entities) {
        factory(entities, Map.of("hibernate.hbm2ddl.auto", "update", "hibernate.show_sql", true)).close();
        try {
            factory(entities, Map.of("hibernate.hbm2ddl.auto", "validate")).close();
        } catch (SchemaManagementException e) {
            System.out.println(e.getMessage());
        }
    }

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "insert" -> insert();
            case "bulk" -> bulk();
            case "rollback" -> rollback();
            case "together" -> together();
            case "produce" -> produce();
            case "consume" -> consume();
            case "columns" -> columns();
            case "diff" -> diff(ENTITIES);
            case "exposed" -> diff(List.of(PlacedOrder.class, BilledOrder.class, WrongOrder.class));
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }
}
