import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;

import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Latency BOOTSTRAP TOPIC WARM-UP EVENTS SIZE: what Kafka's EndToEndLatency measures, with its settings, in microseconds: the
 * tool tells its percentiles in whole milliseconds, which is coarser than what is to be told apart here.
 *
 * An event is sent, its answer awaited, and the event polled; then the next one. Printed as JSON: milliseconds of the events
 * behind WARM-UP.
 */
public class Latency {
    public static void main(String[] args) throws Exception {
        String topic = args[1];
        int warmUp = Integer.parseInt(args[2]), events = Integer.parseInt(args[3]);
        long[] took = new long[events];
        long began = 0;

        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config(args[0], "fetch.max.wait.ms", "0"),
                    new ByteArrayDeserializer(), new ByteArrayDeserializer());
             KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config(args[0], "linger.ms", "0", "acks", "all"),
                    new ByteArraySerializer(), new ByteArraySerializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                    .map(one -> new TopicPartition(one.topic(), one.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToEnd(partitions);
            partitions.forEach(consumer::position);
            for (int i = -warmUp; i < events; i++) {
                byte[] message = new byte[Integer.parseInt(args[4])];
                Arrays.fill(message, (byte) ('A' + (i & 15)));
                long begin = System.nanoTime();
                producer.send(new ProducerRecord<>(topic, message)).get();
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMinutes(1));
                long end = System.nanoTime();
                if (records.count() != 1 || !Arrays.equals(records.iterator().next().value(), message))
                    throw new IllegalStateException(records.count() + " events came, or another one");
                if (i >= 0)
                    took[i] = end - begin;
                if (i == 0)
                    began = begin;
            }
        }
        double seconds = (System.nanoTime() - began) / 1e9, sum = Arrays.stream(took).sum();
        Arrays.sort(took);
        System.out.printf("{\"events\": %d, \"seconds\": %.6f, \"mean\": %.4f, \"p50\": %.4f, \"p99\": %.4f, \"p99.9\": %.4f}%n",
                events, seconds, sum / events / 1e6, at(took, 0.5), at(took, 0.99), at(took, 0.999));
    }

    private static double at(long[] sorted, double share) {
        return sorted[(int) (sorted.length * share)] / 1e6;
    }

    private static Properties config(String bootstrap, String... more) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("max.block.ms", "60000");
        config.put("enable.auto.commit", "false");
        config.put("auto.offset.reset", "latest");
        for (int i = 0; i < more.length; i += 2)
            config.put(more[i], more[i + 1]);
        return config;
    }
}
