/* An LwM2M device on Mbed TLS (2.28 and 3): registers over DTLS with a pre-shared key, says goodbye, resumes its session and serves writes.
 *
 * Usage: device PORT IDENTITY KEY FRAGMENT. It takes records of 512 bytes at most. Mbed TLS cuts no ClientHello, other stacks do: here it is cut below the
 * library, into fragments of FRAGMENT bytes. The second handshake has a wrong key: it succeeds only as a resumption. Prints what happens, a line each; ends
 * after 60 s of silence. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/timing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ACK = 2, URI_PATH = 11, CONTENT_FORMAT = 12, URI_QUERY = 15, LOCATION_PATH = 8, BLOCK1 = 27, LINK_FORMAT = 40 };
enum { CREATED = 65, CHANGED = 68, CONTINUE = 95, NOT_FOUND = 132, POST = 2, PUT = 3, SILENCE_MS = 60000 };

static mbedtls_ssl_context ssl;
static unsigned char in[2048], out[2048];
static size_t length;
static unsigned last_option, message_id = 1;
static char location[64];
static size_t fragment;

static void fail(const char *what, int code) {
    printf("failed %s -0x%x\n", what, (unsigned)-code);
    exit(1);
}

/* Sends a ClientHello in fragments (RFC 6347 4.2.3), anything else as it is. */
static int send_cut(void *net, const unsigned char *record, size_t size) {
    const size_t record_header = 13, headers = 25;
    if (size <= headers || record[0] != 22 || record[3] || record[4] || record[13] != 1) return mbedtls_net_send(net, record, size);
    unsigned char part[2048];
    unsigned number = ((unsigned)record[9] << 8 | record[10]) * 16;
    for (size_t at = 0; at < size - headers; at += fragment, number++) {
        size_t count = size - headers - at < fragment ? size - headers - at : fragment, whole = headers - record_header + count;
        memcpy(part, record, headers);
        part[9] = (unsigned char)(number >> 8), part[10] = (unsigned char)number;
        part[11] = (unsigned char)(whole >> 8), part[12] = (unsigned char)whole;
        part[19] = 0, part[20] = (unsigned char)(at >> 8), part[21] = (unsigned char)at;
        part[22] = 0, part[23] = (unsigned char)(count >> 8), part[24] = (unsigned char)count;
        memcpy(part + headers, record + headers + at, count);
        int sent = mbedtls_net_send(net, part, headers + count);
        if (sent < 0) return sent;
    }
    return (int)size;
}

static void begin(int type, int code, unsigned id, const unsigned char *token, size_t token_length) {
    out[0] = (unsigned char)(0x40 | type << 4 | token_length);
    out[1] = (unsigned char)code;
    out[2] = (unsigned char)(id >> 8);
    out[3] = (unsigned char)id;
    memcpy(out + 4, token, token_length);
    length = 4 + token_length;
    last_option = 0;
}

static unsigned nibble(unsigned value) { return value < 13 ? value : 13; }

/* Options of less than 269 bytes, at most 268 apart. */
static void option(unsigned number, const void *value, size_t size) {
    unsigned delta = number - last_option;
    out[length++] = (unsigned char)(nibble(delta) << 4 | nibble((unsigned)size));
    if (delta >= 13) out[length++] = (unsigned char)(delta - 13);
    if (size >= 13) out[length++] = (unsigned char)(size - 13);
    memcpy(out + length, value, size);
    length += size;
    last_option = number;
}

static void text(unsigned number, const char *value) { option(number, value, strlen(value)); }

static void send_message(void) {
    int sent = mbedtls_ssl_write(&ssl, out, length);
    if (sent < 0) fail("write", sent);
}

/* The next option from `at`; its number is added up in `number`. 0 at their end. */
static size_t next_option(size_t at, size_t end, unsigned *number, size_t *start) {
    if (at >= end || in[at] == 0xff) return 0;
    unsigned delta = in[at] >> 4, size = in[at] & 15;
    at++;
    if (delta == 13) delta = 13 + in[at++];
    if (size == 13) size = 13 + in[at++];
    if (delta > 268 || size > 268 || at + size > end) return 0;
    *number += delta;
    *start = at;
    return at + size;
}

/* Answers a request of the server: takes what is written, and has nothing else. */
static void serve(size_t end) {
    static size_t written;
    size_t token = in[0] & 15, at = 4 + token, next, start, block = 0, block_size = 0;
    unsigned number = 0;
    while ((next = next_option(at, end, &number, &start)) != 0) {
        if (number == BLOCK1) block = start, block_size = next - start;
        at = next;
    }
    size_t payload = at < end ? end - at - 1 : 0;
    unsigned value = 0;
    for (size_t i = 0; i < block_size; i++) value = value << 8 | in[block + i];
    int more = (value & 8) != 0, writes = in[1] == PUT;
    begin(ACK, writes ? (more ? CONTINUE : CHANGED) : NOT_FOUND, (unsigned)in[2] << 8 | in[3], in + 4, token);
    if (writes && block_size) option(BLOCK1, in + block, block_size);
    send_message();
    if (!writes) return;
    written = value >> 4 ? written + payload : payload;
    if (!more) printf("written %zu\n", written);
}

/* Serves until an answer comes; 0 after a silence. Its Location-Path is kept. */
static int hear(void) {
    for (;;) {
        int got = mbedtls_ssl_read(&ssl, in, sizeof in);
        if (got == MBEDTLS_ERR_SSL_WANT_READ) continue;
        if (got == MBEDTLS_ERR_SSL_TIMEOUT || got == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) return 0;
        if (got < 0) fail("read", got);
        size_t end = (size_t)got, at = 4 + (in[0] & 15u), next, start, path = 0;
        if (end < 4 || in[1] == 0) continue;
        if (in[1] < 32) {
            serve(end);
            continue;
        }
        unsigned number = 0;
        while ((next = next_option(at, end, &number, &start)) != 0) {
            /* The second segment; the first is "rd". */
            if (number == LOCATION_PATH && path++ == 1) snprintf(location, sizeof location, "%.*s", (int)(next - start), in + start);
            at = next;
        }
        return in[1];
    }
}

static void ask(const char *second_segment, const char *const *query, const char *links) {
    begin(0, POST, message_id++, (const unsigned char *)"t", 1);
    text(URI_PATH, "rd");
    if (second_segment) text(URI_PATH, second_segment);
    if (links) option(CONTENT_FORMAT, (unsigned char[]){LINK_FORMAT}, 1);
    for (; *query; query++) text(URI_QUERY, *query);
    if (links) {
        out[length++] = 0xff;
        memcpy(out + length, links, strlen(links));
        length += strlen(links);
    }
    send_message();
}

static void shake_hands(void) {
    int code;
    do code = mbedtls_ssl_handshake(&ssl);
    while (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE);
    if (code) fail("handshake", code);
}

static void set_key(mbedtls_ssl_config *config, const char *key, const char *identity) {
    int code = mbedtls_ssl_conf_psk(config, (const unsigned char *)key, strlen(key), (const unsigned char *)identity, strlen(identity));
    if (code) fail("key", code);
}

int main(int count, char **arguments) {
    static const int suites[] = {MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, 0};
    mbedtls_net_context net;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_ssl_config config;
    mbedtls_timing_delay_context timer;
    mbedtls_ssl_session session;
    char endpoint[128];
    int code;
    if (count < 5 || (fragment = (size_t)atoi(arguments[4])) < 1) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    mbedtls_net_init(&net);
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&ssl);
    mbedtls_ssl_session_init(&session);
    if ((code = mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0))) fail("random", code);
    if ((code = mbedtls_net_connect(&net, "127.0.0.1", arguments[1], MBEDTLS_NET_PROTO_UDP))) fail("connect", code);
    if ((code = mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT)))
        fail("defaults", code);
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    mbedtls_ssl_conf_ciphersuites(&config, suites);
    mbedtls_ssl_conf_read_timeout(&config, SILENCE_MS);
    mbedtls_ssl_conf_max_frag_len(&config, MBEDTLS_SSL_MAX_FRAG_LEN_512);
    set_key(&config, arguments[3], arguments[2]);
    if ((code = mbedtls_ssl_setup(&ssl, &config))) fail("setup", code);
    mbedtls_ssl_set_bio(&ssl, &net, send_cut, mbedtls_net_recv, mbedtls_net_recv_timeout);
    mbedtls_ssl_set_timer_cb(&ssl, &timer, mbedtls_timing_set_delay, mbedtls_timing_get_delay);

    shake_hands();
    printf("secured\n");
    snprintf(endpoint, sizeof endpoint, "ep=%s", arguments[2]);
    ask(NULL, (const char *const[]){endpoint, "lt=300", "lwm2m=1.0", "b=U", NULL}, "</1/0>,</3/0>");
    if (hear() != CREATED) fail("registration", 0);
    printf("registered %s\n", location);

    if ((code = mbedtls_ssl_get_session(&ssl, &session))) fail("session", code);
    mbedtls_ssl_close_notify(&ssl);
    if ((code = mbedtls_ssl_session_reset(&ssl))) fail("reset", code);
    set_key(&config, "not the right key", arguments[2]);
    if ((code = mbedtls_ssl_set_session(&ssl, &session))) fail("session", code);
    shake_hands();
    printf("resumed\n");
    ask(location, (const char *const[]){NULL}, NULL);
    if (hear() != CHANGED) fail("update", 0);
    printf("updated\n");
    while (hear()) continue;
    return 0;
}
