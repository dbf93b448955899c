import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reader BOOTSTRAP TOPIC PARTITIONS CLIENTS WARM-UP EVENTS: reads a topic from its beginning by assigned partitions, each
 * client in a thread of its own those of its share, with the settings and the loop of Kafka's ConsumerPerformance.
 *
 * The clock runs from when all clients together have read WARM-UP events until they have read EVENTS more. Printed are as
 * JSON: events and bytes of keys and values in that time, its seconds, and all that was read.
 */
public class Reader {
    private static final AtomicLong events = new AtomicLong(), bytes = new AtomicLong();
    private static final AtomicLong begin = new AtomicLong(), end = new AtomicLong();
    private static volatile long eventsBegin, bytesBegin, eventsEnd, bytesEnd;

    public static void main(String[] args) throws Exception {
        int partitions = Integer.parseInt(args[2]), clients = Integer.parseInt(args[3]);
        long warmUp = Long.parseLong(args[4]), all = warmUp + Long.parseLong(args[5]);
        ExecutorService pool = Executors.newFixedThreadPool(clients);
        List<Future<Void>> readers = new ArrayList<>();
        for (int client = 0; client < clients; client++) {
            List<TopicPartition> share = new ArrayList<>();
            for (int partition = client; partition < partitions; partition += clients)
                share.add(new TopicPartition(args[1], partition));
            readers.add(pool.submit(reader(args[0], share, warmUp, all)));
        }
        for (Future<Void> reader : readers)
            reader.get();
        pool.shutdown();
        System.out.printf("{\"events\": %d, \"bytes\": %d, \"seconds\": %.6f, \"all\": %d}%n",
                eventsEnd - eventsBegin, bytesEnd - bytesBegin, (end.get() - begin.get()) / 1e9, events.get());
    }

    private static Callable<Void> reader(String bootstrap, List<TopicPartition> share, long warmUp, long all) {
        return () -> {
            Properties config = new Properties();
            config.put("bootstrap.servers", bootstrap);
            config.put("receive.buffer.bytes", 2 * 1024 * 1024);
            config.put("max.partition.fetch.bytes", 1024 * 1024);
            config.put("auto.offset.reset", "earliest");
            config.put("enable.auto.commit", false);
            config.put("check.crcs", false);
            config.put("key.deserializer", ByteArrayDeserializer.class);
            config.put("value.deserializer", ByteArrayDeserializer.class);
            try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config)) {
                consumer.assign(share);
                consumer.seekToBeginning(share);
                long last = System.nanoTime();
                while (events.get() < all) {
                    long got = 0, size = 0;
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                        got++;
                        size += (record.key() == null ? 0 : record.key().length)
                                + (record.value() == null ? 0 : record.value().length);
                    }
                    long now = System.nanoTime();
                    if (got > 0) {
                        count(got, size, warmUp, all, now);
                        last = now;
                    } else if (now - last > 60_000_000_000L)
                        throw new IllegalStateException("nothing came for a minute, after " + events.get() + " events");
                }
            }
            return null;
        };
    }

    private static synchronized void count(long got, long size, long warmUp, long all, long now) {
        long had = events.addAndGet(got), read = bytes.addAndGet(size);
        if (had >= warmUp && begin.compareAndSet(0, now)) {
            eventsBegin = had;
            bytesBegin = read;
        }
        if (had >= all && end.compareAndSet(0, now)) {
            eventsEnd = had;
            bytesEnd = read;
        }
    }
}
