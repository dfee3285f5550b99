# Sourced, not run: steps with libcoap's coap-client (Debian's libcoap3-bin), in its variants notls, openssl and gnutls.
# coap-client ends with status 0 whatever happens, so each step looks for the response code in its log.
# Absent: binary keys. -k takes the bytes of the argument as they are (not hexadecimal).

coap_log=${coap_log:-/dev/null}

# coap_expect VARIANT CODE ARGUMENT...: one request, confirmable; true when it was answered with that code ("2.05").
# Its log, with the options of the answer and the payload, is left in $coap_answer.
coap_expect() {
    local variant=$1 code=$2
    shift 2
    coap_answer=$(timeout 30 "coap-client-$variant" -v 6 -B 10 "$@" 2>&1)
    echo "$coap_answer" >>"$coap_log"
    if grep -qE "^v:1 t:(ACK|CON|NON) c:${code//./\\.} " <<<"$coap_answer"; then return 0; fi
    echo "$coap_answer"
    return 1
}

# coap_register VARIANT URI ENDPOINT [ARGUMENT...]: registers a device of LwM2M 1.0 for a minute; its path is left in $coap_location.
coap_register() {
    local variant=$1 uri=$2 endpoint=$3
    shift 3
    coap_location=
    coap_expect "$variant" 2.01 -m post -t 40 -e '</>;rt="oma.lwm2m",</1/0>,</3/0>,</19/0>' "$@" \
        "$uri/rd?ep=$endpoint&lt=60&lwm2m=1.0&b=U" || return 1
    coap_location=$(grep -oE 'Location-Path:[^], ]+' <<<"$coap_answer" | sed 's/^Location-Path:/\//' | tr -d '\n')
    [ -n "$coap_location" ]
}

# coap_update and coap_deregister take VARIANT URI [ARGUMENT...] and use $coap_location.
coap_update() { coap_expect "$1" 2.04 -m post "${@:3}" "$2$coap_location"; }
coap_deregister() { coap_expect "$1" 2.02 -m delete "${@:3}" "$2$coap_location"; }
