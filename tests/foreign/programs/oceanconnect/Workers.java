import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * A platform of several workers: they log in at the same moment, share one token over many threads, ask each answer but 204 for its type, and
 * call devices over 1.7.7 with an address for the status.
 *
 * Usage: Workers.java BASE CA APP_ID SECRET CALLBACK PUSHES REPORT
 */
public class Workers {
    static HttpClient client;
    static String base, appId, token;

    public static void main(String[] args) throws Exception {
        Thread.setDefaultUncaughtExceptionHandler((thread, error) -> {
            System.err.println(error);
            System.exit(1);
        });
        base = args[0];
        appId = args[2];
        client = HttpClient.newBuilder().sslContext(trusting(Path.of(args[1]))).connectTimeout(Duration.ofSeconds(10)).build();
        String form = "appId=" + appId + "&secret=" + args[3];

        var threads = Executors.newFixedThreadPool(16);
        List<Callable<String>> logins = new ArrayList<>();
        for (int i = 0; i < 8; i++) logins.add(() -> field("accessToken", send("POST", "/iocm/app/sec/v1.1.0/login", form, "application/x-www-form-urlencoded", 200)));
        for (var login : threads.invokeAll(logins)) token = login.get();
        // Whoever logged in last has the token that all use from then on.
        token = logins.get(0).call();

        long run = System.nanoTime();
        String product = "\"manufacturerId\":\"acme\",\"manufacturerName\":\"Acme\",\"deviceType\":\"Thermometer\",\"model\":\"T1\",\"protocolType\":\"MQTT\"";
        List<Callable<String>> registrations = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            String node = "workers-" + run + "-" + i;
            registrations.add(() -> {
                String body = "{\"deviceInfo\":{\"nodeId\":\"" + node + "\"," + product + "},\"mqttConnect\":\"true\",\"timeout\":\"0\"}";
                return field("deviceId", json("POST", "/iocm/app/reg/v2.0.0/deviceCredentials", body, 200));
            });
        }
        List<String> devices = new ArrayList<>();
        for (var registration : threads.invokeAll(registrations)) devices.add(registration.get());
        check(devices.stream().distinct().count() == 40, "40 devices");

        String callback = "{\"notifyType\":\"commandRsp\",\"callbackUrl\":\"" + args[4] + "\"}";
        json("POST", "/iocm/app/sub/v1.2.0/subscriptions", callback, 201);
        json("GET", "/iocm/app/sub/v1.2.0/subscriptions?pageNo=0&pageSize=10", null, 200);
        String call = "{\"header\":{\"requestId\":\"" + run + "\",\"mode\":\"ACK\",\"from\":\"/users/1\",\"toType\":\"GATEWAY\",\"method\":\"SET\",\"callbackURL\":\""
            + args[4] + "\"},\"body\":{\"value\":\"4\"}}";
        String offline = json("POST", "/iocm/app/signaltrans/v1.1.0/devices/" + devices.get(0) + "/services/Switch/sendCommand", call, 200);
        check(offline.contains("\"100428\""), offline);
        String bad = json("POST", "/iocm/app/sub/v1.2.0/subscriptions", "{\"notifyType\":\"nonsense\",\"callbackUrl\":\"" + args[4] + "\"}", 400);
        check(!bad.contains("callback"), "names the wrong field: " + bad);
        String queued = "{\"deviceId\":\"" + devices.get(0) + "\",\"command\":{\"serviceId\":\"Switch\",\"method\":\"SET\",\"paras\":{\"value\":4}}}";
        String refused = send("POST", "/iocm/app/cmd/v1.4.0/deviceCommands", queued, "application/json", -1);
        check(refused.contains("error_code"), "a queue that an MQTT device never asks for: " + refused);

        List<Callable<String>> deletions = new ArrayList<>();
        for (String device : devices) deletions.add(() -> json("DELETE", "/iocm/app/dm/v1.4.0/devices/" + device, null, 204));
        for (var deletion : threads.invokeAll(deletions)) deletion.get();
        threads.shutdown();
    }

    static String json(String method, String path, String body, int expected) throws Exception {
        return send(method, path, body, "application/json", expected);
    }

    static String send(String method, String path, String body, String type, int expected) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(base + path)).timeout(Duration.ofSeconds(30)).header("Content-Type", type);
        if (token != null) request.header("app_key", appId).header("Authorization", "Bearer " + token);
        var content = body == null ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(body);
        var answer = client.send(request.method(method, content).build(), HttpResponse.BodyHandlers.ofString());
        check(expected < 0 || answer.statusCode() == expected, method + " " + path + ": " + answer.statusCode() + " " + answer.body());
        if (answer.statusCode() != 204) answer.headers().firstValue("Content-Type").orElseThrow(() -> new AssertionError(method + " " + path + ": no Content-Type"));
        return answer.body();
    }

    static String field(String name, String json) {
        var matcher = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"]*)\"").matcher(json);
        check(matcher.find(), "no " + name + " in " + json);
        return matcher.group(1);
    }

    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static SSLContext trusting(Path ca) throws Exception {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var pem = Files.newInputStream(ca)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
