import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Reads a topic by assignment, from its beginning, and writes "partition offset value", up to 20 characters of it, for each
 * record, whatever happens to its connections meanwhile. At a byte of input, or its end, it reads to the end, for a minute at
 * most, and ends. Arguments: bootstrap server, topic, partitions.
 */
public class VerifyingReader {
    private static volatile boolean ending = false;

    public static void main(String[] args) throws Exception {
        Properties config = new Properties();
        config.put("bootstrap.servers", args[0]);
        config.put("enable.auto.commit", "false");
        // a position that is not in the log is an error: it has been read up to there
        config.put("auto.offset.reset", "none");
        config.put("reconnect.backoff.max.ms", "200");
        config.put("request.timeout.ms", "5000");
        config.put("default.api.timeout.ms", "60000");
        List<TopicPartition> partitions = new ArrayList<>();
        for (int i = 0; i < Integer.parseInt(args[2]); i++) {
            partitions.add(new TopicPartition(args[1], i));
        }
        Thread waiting = new Thread(() -> {
            try {
                System.in.read();
            } catch (java.io.IOException e) {
                // its input has ended, too
            }
            ending = true;
        });
        waiting.setDaemon(true);
        waiting.start();

        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16), false, StandardCharsets.UTF_8);
        StringDeserializer text = new StringDeserializer();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config, text, text)) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = null;
            long giveUp = Long.MAX_VALUE;
            while (true) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    String value = record.value();
                    value = value.substring(0, Math.min(value.length(), 20));
                    out.print(record.partition() + " " + record.offset() + " " + value.replace(' ', '-') + "\n");
                }
                out.flush();
                if (ending && ends == null) {
                    ends = consumer.endOffsets(partitions);
                    giveUp = System.nanoTime() + 60_000_000_000L;
                }
                if (ends != null) {
                    boolean done = true;
                    for (TopicPartition partition : partitions) {
                        done &= consumer.position(partition) >= ends.get(partition);
                    }
                    if (done) {
                        return;
                    }
                    if (System.nanoTime() > giveUp) {
                        throw new IllegalStateException("the end, " + ends + ", is not reached");
                    }
                }
            }
        }
    }
}
