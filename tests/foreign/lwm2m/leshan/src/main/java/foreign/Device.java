package foreign;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.engine.DefaultRegistrationEngineFactory;
import org.eclipse.leshan.client.engine.RegistrationEngineFactory;
import org.eclipse.leshan.client.observer.LwM2mClientObserverAdapter;
import org.eclipse.leshan.client.request.UplinkRequestSender;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.request.BootstrapRequest;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.DeregisterRequest;
import org.eclipse.leshan.core.request.RegisterRequest;
import org.eclipse.leshan.core.request.UpdateRequest;
import org.eclipse.leshan.core.request.UplinkRequest;
import org.eclipse.leshan.core.response.ErrorCallback;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.core.response.ResponseCallback;
import org.eclipse.leshan.core.response.SendResponse;

/**
 * A scriptable LwM2M device: arguments as in {@link Options}, commands on standard input, events on standard output.
 *
 * <pre>
 * set PATH VALUE      a new value, notified if observed (opaque: hexadecimal; time: seconds)
 * uplink HEX          the same for /19/0/0
 * update              registration update          register / deregister
 * resume / reconnect  registration update after an abbreviated / a full DTLS handshake
 * sleep / wake        deaf to CoAP; values set meanwhile are notified after wake, which sends a registration update
 * send PATH [PATH]    LwM2M Send, SenML CBOR       quit   stop without de-registration; end of input does the same
 * </pre>
 */
public final class Device {
    private final Options options;
    private final Transport transport;
    private final Objects objects;
    private final LeshanClient client;

    private Device(Options options) throws Exception {
        this.options = options;
        transport = new Transport(options);
        objects = new Objects(options);
        LeshanClientBuilder builder = new LeshanClientBuilder(options.text("--endpoint"));
        builder.setObjects(objects.enablers());
        builder.setEndpointsProviders(transport.provider());
        builder.setRegistrationEngineFactory(engine());
        client = builder.build();
        client.addObserver(new Printer());
    }

    public static void main(String[] args) throws Exception {
        Options options = new Options(args);
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", options.has("--verbose") ? "debug" : "error");
        Device device = new Device(options);
        device.client.start();
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null && !line.equals("quit"); line = commands.readLine()) {
            try {
                device.obey(line.strip().split(" +"));
            } catch (RuntimeException | InterruptedException e) {
                Events.print("error", "operation", line, "text", String.valueOf(e.getMessage()));
            }
        }
        device.client.destroy(false);
        System.exit(0);
    }

    private void obey(String[] words) throws InterruptedException {
        switch (words[0]) {
            case "set" -> objects.set(new LwM2mPath(words[1]), words[2], transport.isAsleep());
            case "uplink" -> objects.set(new LwM2mPath(19, 0, 0), words[1], transport.isAsleep());
            case "update" -> client.triggerRegistrationUpdate();
            case "register" -> client.start();
            case "deregister" -> client.stop(true);
            case "resume", "reconnect" -> {
                transport.reconnect(words[0].equals("resume"));
                client.triggerRegistrationUpdate();
            }
            case "sleep" -> transport.sleep(true);
            case "wake" -> {
                transport.sleep(false);
                client.triggerRegistrationUpdate();
            }
            case "send" -> send(List.of(words).subList(1, words.length));
            case "" -> {
            }
            default -> throw new IllegalArgumentException("unknown command");
        }
    }

    private void send(List<String> paths) throws InterruptedException {
        LwM2mServer server = client.getRegisteredServers().values().stream().findFirst()
                .orElseThrow(() -> new IllegalStateException("not registered"));
        long timeout = options.number("--request-timeout-s", 60) * 1000L;
        SendResponse response = client.getSendService().sendData(server, ContentFormat.SENML_CBOR, paths, timeout);
        Events.print("sent", "paths", String.join(" ", paths), "code", response == null ? 0 : response.getCode().getCode());
    }

    private RegistrationEngineFactory engine() {
        DefaultRegistrationEngineFactory engine = new DefaultRegistrationEngineFactory();
        engine.setRequestTimeoutInMs(options.number("--request-timeout-s", 60) * 1000L).setDeregistrationTimeoutInMs(10_000)
                .setRetryWaitingTimeInMs(options.number("--retry-s", 600) * 1000).setQueueMode(options.has("--queue"));
        if (options.text("--version", "1.1").equals("1.1")) {
            return engine;
        }
        engine.setPreferredContentFormat(null);
        return (name, tree, endpoints, sender, bootstrap, observer, attributes, bootstrapAttributes, formats, executor, links, servers) -> engine
                .createRegistratioEngine(name, tree, endpoints, new OldSender(sender), bootstrap, observer, attributes, bootstrapAttributes, formats,
                        executor, links, servers);
    }

    /** The library registers as the newest version it knows: this says the same in the words of LwM2M 1.0. */
    private record OldSender(UplinkRequestSender sender) implements UplinkRequestSender {
        @Override
        public <T extends LwM2mResponse> T send(LwM2mServer server, UplinkRequest<T> request, long timeout) throws InterruptedException {
            return sender.send(server, old(request), timeout);
        }

        @Override
        public <T extends LwM2mResponse> void send(LwM2mServer server, UplinkRequest<T> request, long timeout, ResponseCallback<T> done,
                ErrorCallback failed) {
            sender.send(server, old(request), timeout, done, failed);
        }

        @SuppressWarnings("unchecked")
        private static <T extends LwM2mResponse> UplinkRequest<T> old(UplinkRequest<T> request) {
            if (!(request instanceof RegisterRequest r)) {
                return request;
            }
            EnumSet<BindingMode> binding = EnumSet.of(BindingMode.U);
            if (Boolean.TRUE.equals(r.getQueueMode())) {
                binding.add(BindingMode.Q);
            }
            return (UplinkRequest<T>) new RegisterRequest(r.getEndpointName(), r.getLifetime(), "1.0", binding, null, null, r.getObjectLinks(),
                    Map.of());
        }
    }

    private final class Printer extends LwM2mClientObserverAdapter {
        @Override
        public void onBootstrapSuccess(LwM2mServer server, BootstrapRequest request) {
            Events.print("bootstrapped");
        }

        @Override
        public void onBootstrapFailure(LwM2mServer server, BootstrapRequest request, ResponseCode code, String text, Exception cause) {
            failed("bootstrap", code, text, cause);
        }

        @Override
        public void onBootstrapTimeout(LwM2mServer server, BootstrapRequest request) {
            failed("bootstrap", null, "timeout", null);
        }

        @Override
        public void onRegistrationSuccess(LwM2mServer server, RegisterRequest request, String id) {
            Events.print("registered", "location", id, "server", server.getUri());
        }

        @Override
        public void onRegistrationFailure(LwM2mServer server, RegisterRequest request, ResponseCode code, String text, Exception cause) {
            failed("register", code, text, cause);
        }

        @Override
        public void onRegistrationTimeout(LwM2mServer server, RegisterRequest request) {
            failed("register", null, "timeout", null);
        }

        @Override
        public void onUpdateSuccess(LwM2mServer server, UpdateRequest request) {
            Events.print("updated");
            objects.flush();
        }

        @Override
        public void onUpdateFailure(LwM2mServer server, UpdateRequest request, ResponseCode code, String text, Exception cause) {
            failed("update", code, text, cause);
        }

        @Override
        public void onUpdateTimeout(LwM2mServer server, UpdateRequest request) {
            failed("update", null, "timeout", null);
        }

        @Override
        public void onDeregistrationSuccess(LwM2mServer server, DeregisterRequest request) {
            Events.print("deregistered");
        }

        @Override
        public void onDeregistrationFailure(LwM2mServer server, DeregisterRequest request, ResponseCode code, String text, Exception cause) {
            failed("deregister", code, text, cause);
        }

        @Override
        public void onDeregistrationTimeout(LwM2mServer server, DeregisterRequest request) {
            failed("deregister", null, "timeout", null);
        }

        @Override
        public void onUnexpectedError(Throwable error) {
            failed("engine", null, null, error);
        }

        private void failed(String operation, ResponseCode code, String text, Throwable cause) {
            Events.print("error", "operation", operation, "code", code == null ? null : code.getCode(), "text",
                    text != null && !text.isEmpty() ? text : cause == null ? null : String.valueOf(cause.getMessage()));
        }
    }
}
