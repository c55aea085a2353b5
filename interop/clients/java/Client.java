// The AWS SDK for Java v2 as a client: operations as JSON on stdin, results as JSON on stdout.
// Region, endpoint and credentials are what the SDK finds by itself.
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.time.Duration;
import java.util.List;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.core.sync.ResponseTransformer;
import software.amazon.awssdk.identity.spi.AwsCredentialsIdentity;
import software.amazon.awssdk.protocols.jsoncore.JsonNode;
import software.amazon.awssdk.protocols.jsoncore.JsonWriter;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.S3Object;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;

public final class Client {
    private final S3Client s3 = S3Client.builder().forcePathStyle(true).build();

    private void perform(JsonNode operation, JsonWriter result) throws Exception {
        String bucket = text(operation, "bucket");
        String key = text(operation, "key");
        switch (text(operation, "op")) {
            case "put" ->
                s3.putObject(request -> request.bucket(bucket).key(key), RequestBody.fromFile(file(operation)));
            case "get" -> {
                // It refuses a file that is there.
                Files.deleteIfExists(file(operation));
                s3.getObject(request -> request.bucket(bucket).key(key), ResponseTransformer.toFile(file(operation)));
            }
            case "list" -> {
                var pages = s3.listObjectsV2Paginator(
                    request -> request.bucket(bucket).prefix(text(operation, "prefix")));
                List<String> keys = pages.contents().stream().map(S3Object::key).toList();
                result.writeFieldName("keys").writeStartArray();
                keys.forEach(result::writeValue);
                result.writeEndArray();
            }
            case "delete" -> s3.deleteObject(request -> request.bucket(bucket).key(key));
            case "credentials" -> {
                AwsCredentialsIdentity held = s3.serviceClientConfiguration().credentialsProvider()
                    .resolveIdentity().join();
                result.writeFieldName("access_key").writeValue(held.accessKeyId());
                held.expirationTime().ifPresent(
                    expires -> result.writeFieldName("expires").writeValue(expires.toString()));
            }
            case "presign" -> {
                var paths = S3Configuration.builder().pathStyleAccessEnabled(true).build();
                try (var presigner = S3Presigner.builder().serviceConfiguration(paths).build()) {
                    var signed = presigner.presignGetObject(request -> request
                        .signatureDuration(Duration.ofMinutes(5))
                        .getObjectRequest(object -> object.bucket(bucket).key(key)));
                    result.writeFieldName("url").writeValue(signed.url().toString());
                }
            }
            default -> throw new IllegalArgumentException("unknown operation");
        }
    }

    private static String text(JsonNode operation, String name) {
        return operation.field(name).map(JsonNode::text).orElse(null);
    }

    private static Path file(JsonNode operation) {
        return Paths.get(text(operation, "file"));
    }

    public static void main(String[] arguments) throws Exception {
        Client client = new Client();
        JsonWriter results = JsonWriter.create();
        results.writeStartArray();
        for (JsonNode operation : JsonNode.parser().parse(System.in).asArray()) {
            results.writeStartObject();
            boolean ok = true;
            try {
                client.perform(operation, results);
            } catch (Exception error) { // every failure is a result to look at
                ok = false;
                results.writeFieldName("error").writeValue(error.toString());
            }
            results.writeFieldName("ok").writeValue(ok).writeEndObject();
        }
        results.writeEndArray();
        System.out.write(results.getBytes());
        System.out.println();
    }
}
