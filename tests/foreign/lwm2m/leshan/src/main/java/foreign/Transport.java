package foreign;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.eclipse.californium.core.coap.EmptyMessage;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.network.interceptors.MessageInterceptor;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.DTLSConnector;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.californium.scandium.dtls.ConnectionId;
import org.eclipse.californium.scandium.dtls.DTLSContext;
import org.eclipse.californium.scandium.dtls.ExtendedMasterSecretMode;
import org.eclipse.californium.scandium.dtls.Handshaker;
import org.eclipse.californium.scandium.dtls.ResumingClientHandshaker;
import org.eclipse.californium.scandium.dtls.SessionAdapter;
import org.eclipse.californium.scandium.dtls.SessionId;
import org.eclipse.californium.scandium.dtls.cipher.CipherSuite;
import org.eclipse.leshan.client.servers.ServerInfo;
import org.eclipse.leshan.client.endpoint.ClientEndpointToolbox;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointFactory;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointsProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientEndpointFactory;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientProtocolProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coaps.CoapsClientEndpointFactory;
import org.eclipse.leshan.transport.californium.client.endpoint.coaps.CoapsClientProtocolProvider;

/** CoAP over UDP or DTLS for the device: settings, the radio switch of a sleeping device, and what the handshakes came to. */
final class Transport {
    private final AtomicBoolean asleep = new AtomicBoolean();
    private final CaliforniumClientEndpointsProvider provider;

    Transport(Options options) {
        CaliforniumClientEndpointsProvider.Builder builder = new CaliforniumClientEndpointsProvider.Builder(plain(), secured());
        Configuration config = builder.createDefaultConfiguration();
        config.set(CoapConfig.PREFERRED_BLOCK_SIZE, options.number("--block-size", 512));
        config.set(CoapConfig.MAX_MESSAGE_SIZE, options.number("--max-message", 1024));
        config.set(CoapConfig.ACK_TIMEOUT, options.number("--ack-timeout-ms", 2000), TimeUnit.MILLISECONDS);
        config.set(DtlsConfig.DTLS_RETRANSMISSION_TIMEOUT, options.number("--dtls-timeout-ms", 2000), TimeUnit.MILLISECONDS);
        // The library hides suites it does not recommend, among them those of NB-IoT modules.
        config.set(DtlsConfig.DTLS_RECOMMENDED_CIPHER_SUITES_ONLY, false);
        // A negative length switches the extension off; the default of the library is on.
        config.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, options.number("--cid", -1));
        List<CipherSuite> suites = new ArrayList<>();
        for (String name : options.text("--suite", "TLS_PSK_WITH_AES_128_CCM_8").split(",")) {
            suites.add(CipherSuite.valueOf(name));
        }
        config.set(DtlsConfig.DTLS_CIPHER_SUITES, suites);
        if (options.has("--no-ems")) {
            config.set(DtlsConfig.DTLS_EXTENDED_MASTER_SECRET_MODE, ExtendedMasterSecretMode.NONE);
        }
        provider = builder.setConfiguration(config).build();
    }

    CaliforniumClientEndpointsProvider provider() {
        return provider;
    }

    boolean isAsleep() {
        return asleep.get();
    }

    /** A sleeping device hears nothing of CoAP; its session and socket stay, and what it had begun to say before goes on. */
    void sleep(boolean on) {
        asleep.set(on);
    }

    /** The next record begins with a handshake: an abbreviated one if {@code resume}, else a full one. */
    void reconnect(boolean resume) {
        provider.getCoapServer().getEndpoints().forEach(endpoint -> {
            if (endpoint instanceof CoapEndpoint coap && coap.getConnector() instanceof DTLSConnector dtls) {
                if (resume) {
                    dtls.forceResumeAllSessions();
                } else {
                    dtls.clearConnectionState();
                }
            }
        });
    }

    private CoapClientProtocolProvider plain() {
        return new CoapClientProtocolProvider() {
            @Override
            public CaliforniumClientEndpointFactory createDefaultEndpointFactory() {
                return new CoapClientEndpointFactory() {
                    @Override
                    public CoapEndpoint createCoapEndpoint(java.net.InetAddress address, Configuration config, ServerInfo server,
                            boolean clientInitiatedOnly, List<java.security.cert.Certificate> trust, ClientEndpointToolbox toolbox) {
                        return switched(super.createCoapEndpoint(address, config, server, clientInitiatedOnly, trust, toolbox));
                    }
                };
            }
        };
    }

    private CoapsClientProtocolProvider secured() {
        return new CoapsClientProtocolProvider() {
            @Override
            public CaliforniumClientEndpointFactory createDefaultEndpointFactory() {
                return new CoapsClientEndpointFactory() {
                    @Override
                    public CoapEndpoint createCoapEndpoint(java.net.InetAddress address, Configuration config, ServerInfo server,
                            boolean clientInitiatedOnly, List<java.security.cert.Certificate> trust, ClientEndpointToolbox toolbox) {
                        return switched(super.createCoapEndpoint(address, config, server, clientInitiatedOnly, trust, toolbox));
                    }

                    @Override
                    protected DtlsConnectorConfig.Builder createRootDtlsConnectorConfigBuilder(Configuration config) {
                        return super.createRootDtlsConnectorConfigBuilder(config).setSessionListener(new Handshakes());
                    }
                };
            }
        };
    }

    private CoapEndpoint switched(CoapEndpoint endpoint) {
        if (endpoint != null) {
            endpoint.addInterceptor(new RadioSwitch());
        }
        return endpoint;
    }

    private final class RadioSwitch implements MessageInterceptor {
        @Override
        public void receiveRequest(Request request) {
            if (asleep.get()) {
                request.cancel();
            }
        }

        @Override
        public void receiveResponse(Response response) {
            if (asleep.get()) {
                response.cancel();
            }
        }

        @Override
        public void receiveEmptyMessage(EmptyMessage message) {
            if (asleep.get()) {
                message.cancel();
            }
        }
    }

    private static final class Handshakes extends SessionAdapter {
        private SessionId offered;

        @Override
        public void handshakeStarted(Handshaker handshaker) {
            offered = handshaker instanceof ResumingClientHandshaker ? handshaker.getSession().getSessionIdentifier() : null;
        }

        @Override
        public void contextEstablished(Handshaker handshaker, DTLSContext context) {
            // A resumption that the server did not accept ends as a full handshake with another session id.
            boolean resumed = offered != null && offered.equals(context.getSession().getSessionIdentifier());
            Events.print("handshake", "ok", true, "resumed", resumed, "suite", context.getSession().getCipherSuite(),
                    "ems", context.getSession().useExtendedMasterSecret(), "cid", hex(context.getReadConnectionId()),
                    "peer_cid", hex(context.getWriteConnectionId()));
        }

        @Override
        public void handshakeFailed(Handshaker handshaker, Throwable error) {
            Events.print("handshake", "ok", false, "text", error == null ? "unknown" : String.valueOf(error.getMessage()));
        }

        private static byte[] hex(ConnectionId id) {
            return id == null ? null : id.getBytes();
        }
    }
}
