package foreign;

import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * The command line.
 *
 * <pre>
 * --server URI          coap://127.0.0.1:5683 or coaps://...        --endpoint NAME
 * --identity TEXT --psk HEX   for coaps                             --bootstrap      the server is a bootstrap server
 * --lifetime S          default 300                                 --version 1.0|1.1  default 1.1
 * --queue               queue mode (with 1.0: binding UQ)           --object19 multiple|single|off  resource /19/x/0; default multiple
 * --cid N               offer Connection ID, own one of N bytes (0: only send the peer's); without it the extension is not offered
 * --suite NAME[,NAME]   default TLS_PSK_WITH_AES_128_CCM_8   --no-ems         without extended master secret
 * --block-size N        preferred CoAP block, default 512           --max-message N  payload without block-wise, default 1024
 * --ack-timeout-ms N    CoAP, default 2000                          --dtls-timeout-ms N  handshake flights, default 2000
 * --request-timeout-s N registration and update, default 60         --retry-s N      after a failed registration, default 600
 * --verbose             the library's log on stderr
 * </pre>
 */
final class Options {
    private static final List<String> FLAGS = List.of("--bootstrap", "--queue", "--no-ems", "--verbose");
    private static final List<String> VALUES = List.of("--server", "--endpoint", "--identity", "--psk", "--lifetime", "--version", "--object19",
            "--cid", "--suite", "--block-size", "--max-message", "--ack-timeout-ms", "--dtls-timeout-ms", "--request-timeout-s", "--retry-s");
    private final Map<String, String> given = new HashMap<>();

    Options(String[] args) {
        for (int i = 0; i < args.length; i++) {
            if (FLAGS.contains(args[i])) {
                given.put(args[i], "");
            } else if (VALUES.contains(args[i]) && i + 1 < args.length) {
                given.put(args[i], args[++i]);
            } else {
                throw new IllegalArgumentException("unknown or incomplete argument " + args[i]);
            }
        }
    }

    boolean has(String name) {
        return given.containsKey(name);
    }

    String text(String name) {
        String value = given.get(name);
        if (value == null) {
            throw new IllegalArgumentException(name + " is missing");
        }
        return value;
    }

    String text(String name, String otherwise) {
        return given.getOrDefault(name, otherwise);
    }

    int number(String name, int otherwise) {
        return has(name) ? Integer.parseInt(text(name)) : otherwise;
    }

    byte[] psk() {
        return HexFormat.of().parseHex(text("--psk"));
    }
}
