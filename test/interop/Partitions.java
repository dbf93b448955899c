import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.UUID;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.serialization.DoubleSerializer;
import org.apache.kafka.common.serialization.FloatSerializer;
import org.apache.kafka.common.serialization.IntegerSerializer;
import org.apache.kafka.common.serialization.LongSerializer;
import org.apache.kafka.common.serialization.ShortSerializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.serialization.UUIDSerializer;

/**
 * Which partition Kafka's own producer sends a key to. Reads lines "partitions kind key", the key in base64 of its bytes
 * (kind bytes) or of its text (the others), writes a partition for each.
 */
public class Partitions {
    private static byte[] serialize(String kind, byte[] key) {
        String text = new String(key, StandardCharsets.UTF_8);
        switch (kind) {
        case "bytes": return key;
        case "text": return new StringSerializer().serialize("t", text);
        case "smallint": return new ShortSerializer().serialize("t", Short.valueOf(text));
        case "integer": return new IntegerSerializer().serialize("t", Integer.valueOf(text));
        case "bigint": return new LongSerializer().serialize("t", Long.valueOf(text));
        case "real": return new FloatSerializer().serialize("t", Float.valueOf(text));
        case "float8": return new DoubleSerializer().serialize("t", Double.valueOf(text));
        case "uuid": return new UUIDSerializer().serialize("t", UUID.fromString(text));
        default: throw new IllegalArgumentException(kind);
        }
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        StringBuilder out = new StringBuilder();
        String line;
        while ((line = in.readLine()) != null) {
            String[] fields = line.split(" ", 3);
            byte[] key = serialize(fields[1], Base64.getDecoder().decode(fields[2]));
            out.append(BuiltInPartitioner.partitionForKey(key, Integer.parseInt(fields[0]))).append('\n');
        }
        System.out.print(out);
    }
}
