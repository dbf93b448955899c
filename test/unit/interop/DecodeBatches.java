import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Base64;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MutableRecordBatch;
import org.apache.kafka.common.record.Record;

/**
 * Read record batches with Kafka's own classes and compare them with what was
 * written. Takes the same files as decode_batches.py.
 */
public class DecodeBatches {
    private static final ObjectMapper JSON = new ObjectMapper();

    private static String base64(ByteBuffer data) {
        if (data == null)
            return null;
        byte[] bytes = new byte[data.remaining()];
        data.duplicate().get(bytes);
        return Base64.getEncoder().encodeToString(bytes);
    }

    private static ObjectNode describe(Record record) {
        ObjectNode node = JSON.createObjectNode();
        node.put("offset", record.offset());
        node.put("timestamp", record.timestamp());
        node.put("key_b64", base64(record.key()));
        node.put("value_b64", base64(record.value()));
        ArrayNode headers = node.putArray("headers");
        for (Header header : record.headers()) {
            byte[] value = header.value();
            headers.addArray()
                .add(header.key())
                .add(base64(value == null ? null : ByteBuffer.wrap(value)));
        }
        return node;
    }

    private static void fail(String message) {
        System.err.println(message);
        System.exit(1);
    }

    private static String head(JsonNode node) {
        String text = node.toString();
        return text.length() <= 1000 ? text : text.substring(0, 1000);
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 2) {
            System.err.println("usage: DecodeBatches batches.bin expected.jsonl");
            System.exit(2);
        }
        MemoryRecords records = MemoryRecords.readableRecords(
            ByteBuffer.wrap(Files.readAllBytes(Paths.get(args[0]))));
        if (records.validBytes() != records.sizeInBytes())
            fail((records.sizeInBytes() - records.validBytes()) + " bytes are no batch");

        int count = 0;
        int batches = 0;
        try (BufferedReader expected = Files.newBufferedReader(Paths.get(args[1]))) {
            for (MutableRecordBatch batch : records.batches()) {
                batch.ensureValid();
                for (Record record : batch) {
                    record.ensureValid();
                    String line = expected.readLine();
                    if (line == null)
                        fail("more records than expected: offset " + record.offset());
                    // through text, so that numbers are of the same types
                    JsonNode got = JSON.readTree(describe(record).toString());
                    JsonNode want = JSON.readTree(line);
                    if (!got.equals(want))
                        fail("record " + count + " differs:\n got " + head(got) + "\nwant " + head(want));
                    count++;
                }
                batches++;
            }
            if (expected.readLine() != null)
                fail("only " + count + " records, more were expected");
        }
        if (count == 0)
            fail("no records");
        System.out.println("kafka-clients: " + count + " records in " + batches + " batches are as written");
    }
}
