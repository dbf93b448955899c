import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Client ADDRESS: kafka-clients of the version in the property kafka.version, from 2.8 on, by the contract of test/clients/check.py. */
public class Client {
    private static final PrintStream out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false);
    private static final Map<String, KafkaConsumer<byte[], byte[]>> consumers = new HashMap<>();
    private static String address;

    private static byte[] decode(String word) {
        return word.equals("-") ? null : Base64.getDecoder().decode(word);
    }

    private static String encode(byte[] data) {
        return data == null ? "null" : '"' + Base64.getEncoder().encodeToString(data) + '"';
    }

    private static ProducerRecord<byte[], byte[]> event(String topic, String line) {
        String[] fields = line.split("\t", -1);
        List<Header> headers = new ArrayList<>();
        for (String pair : fields[3].split(",")) {
            if (!pair.isEmpty()) {
                String[] words = pair.split(":", -1);
                headers.add(new RecordHeader(new String(decode(words[0]), StandardCharsets.UTF_8), decode(words[1])));
            }
        }
        return new ProducerRecord<>(topic, 0, Long.valueOf(fields[0]), decode(fields[1]), decode(fields[2]), headers);
    }

    private static void produce(String topic, String codec, boolean idempotent, String file) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", address);
        p.put("compression.type", codec);
        // later ones are idempotent by themselves
        if (!idempotent || System.getProperty("kafka.version").startsWith("2.")) {
            p.put("enable.idempotence", idempotent);
        }
        p.put("acks", "all");
        p.put("max.request.size", 50_000_000);
        p.put("linger.ms", 20);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        List<String> offsets = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (String line : Files.readAllLines(Paths.get(file))) {
                sent.add(producer.send(event(topic, line)));
            }
            for (Future<RecordMetadata> one : sent) {
                offsets.add(Long.toString(one.get(60, TimeUnit.SECONDS).offset()));
            }
        }
        out.println("{\"offsets\": [" + String.join(", ", offsets) + "]}");
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String fetch, String isolation) {
        return consumers.computeIfAbsent(fetch + isolation, key -> {
            Properties p = new Properties();
            p.put("bootstrap.servers", address);
            p.put("enable.auto.commit", false);
            p.put("auto.offset.reset", "none");
            p.put("isolation.level", "read_" + isolation);
            if (!fetch.equals("-")) {
                p.put("max.partition.fetch.bytes", Integer.valueOf(fetch));
                p.put("fetch.max.bytes", Integer.valueOf(fetch));
            }
            return new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        });
    }

    private static void read(String topic, String from, String most, String fetch, String isolation) {
        KafkaConsumer<byte[], byte[]> consumer = consumer(fetch, isolation);
        TopicPartition part = new TopicPartition(topic, 0);
        Long start;
        long position = -1;
        long left = most.equals("-") ? Long.MAX_VALUE : Long.parseLong(most);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);

        if (!consumer.assignment().contains(part)) {
            consumer.assign(Collections.singletonList(part));
        }
        if (from.startsWith("@")) {
            OffsetAndTimestamp found = consumer.offsetsForTimes(Collections.singletonMap(part, Long.valueOf(from.substring(1)))).get(part);
            start = found == null ? null : found.offset();
        } else {
            start = Long.valueOf(from);
        }
        long end = consumer.endOffsets(Collections.singletonList(part)).get(part);
        if (start != null) {
            consumer.seek(part, start);
            while (left > 0 && (position = consumer.position(part)) < end) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("position " + position + ", end " + end);
                }
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(500)).records(part)) {
                    if (left-- <= 0) {
                        break;
                    }
                    List<String> headers = new ArrayList<>();
                    for (Header header : r.headers()) {
                        headers.add("[" + encode(header.key().getBytes(StandardCharsets.UTF_8)) + ", " + encode(header.value()) + "]");
                    }
                    out.println("{\"offset\": " + r.offset() + ", \"time\": " + r.timestamp() + ", \"key\": " + encode(r.key()) + ", \"value\": "
                        + encode(r.value()) + ", \"headers\": [" + String.join(", ", headers) + "]}");
                }
            }
        }
        out.println("{\"position\": " + (position < 0 ? "null" : position) + ", \"end\": " + end + ", \"from\": " + start + "}");
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        String line;
        address = args[0];
        while ((line = in.readLine()) != null) {
            String[] words = line.split(" ");
            try {
                if (words[0].equals("produce")) {
                    produce(words[1], words[2], words[3].equals("idempotent"), words[4]);
                } else {
                    read(words[1], words[2], words[3], words[4], words[5]);
                }
            } catch (Exception error) {
                out.println("{\"error\": \"" + error.toString().replaceAll("[\\\\\"\\p{Cntrl}]", " ") + "\"}");
            }
            out.flush();
        }
        consumers.values().forEach(KafkaConsumer::close);
    }
}
