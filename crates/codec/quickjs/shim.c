/* The whole surface between the host and QuickJS-ng: open a script, call its decoder or encoder, read the outcome.
   Everything that touches a result is done here in C, so that no script can change it by overwriting JSON, Array or Uint8Array.
   Absent: time limits (the host's epoch deadline), and any call back into the host. */
#include "quickjs.c"

#define EXPORT(name) __attribute__((export_name(#name)))

enum { DONE, SYNTAX, THREW, MEMORY, TOO_LARGE, NO_FUNCTION, BAD_RESULT, BAD_INPUT };
enum { DECODE, ENCODE, DECODE_UPLINK, ENCODE_DOWNLINK, FUNCTIONS };
static const char *const names[FUNCTIONS] = { "decode", "encode", "decodeUplink", "encodeDownlink" };

/* The engine leaves its own stack check out on WASI; this is what a script may use of the linear stack set by build.sh. */
#define STACK_BYTES (384 * 1024)
/* Describing an exception needs a little memory even when the script has used all of its own. */
#define SPARE_BYTES (64 * 1024)
#define MOST_TEXT 1024

static JSRuntime *rt;
static JSContext *ctx;
static JSValue functions[FUNCTIONS];
static size_t heap_bytes;
static uint8_t *out;
static size_t out_bytes;

/* The heap's limit is kept here and not by the engine, because the engine throws null when there is no memory for an error, and forgets that
   memory was the reason. */
static size_t heap_used, heap_spare;
static bool starved;

static bool refused(size_t size) {
    bool no = size > heap_bytes + heap_spare || heap_used > heap_bytes + heap_spare - size;
    starved |= no;
    return no;
}

static void *counted(void *ptr) {
    starved |= !ptr;
    heap_used += ptr ? malloc_usable_size(ptr) : 0;
    return ptr;
}

static void *heap_malloc(void *opaque, size_t size) { return refused(size) ? NULL : counted(malloc(size)); }

static void *heap_calloc(void *opaque, size_t count, size_t size) {
    return (size && count > heap_bytes / size) || refused(count * size) ? NULL : counted(calloc(count, size));
}

static void heap_free(void *opaque, void *ptr) {
    heap_used -= ptr ? malloc_usable_size(ptr) : 0;
    free(ptr);
}

static void *heap_realloc(void *opaque, void *ptr, size_t size) {
    size_t before = ptr ? malloc_usable_size(ptr) : 0;
    if (size > before && refused(size - before))
        return NULL;
    void *moved = realloc(ptr, size);
    if (!moved)
        starved = true;
    else
        heap_used += malloc_usable_size(moved) - before;
    return moved;
}

static const JSMallocFunctions heap = { heap_calloc, heap_malloc, heap_free, heap_realloc, js__malloc_usable_size };

EXPORT(lf_alloc) void *lf_alloc(size_t size) { return calloc(1, size); }
EXPORT(lf_free) void lf_free(void *ptr) { free(ptr); }
EXPORT(lf_out) void *lf_out(void) { return out; }
EXPORT(lf_out_bytes) size_t lf_out_bytes(void) { return out_bytes; }

static int emit(int status, const void *data, size_t size) {
    free(out);
    out_bytes = 0;
    out = malloc(size ? size : 1);
    if (!out)
        return MEMORY;
    memcpy(out, data, size);
    out_bytes = size;
    return status;
}

/* What `out` holds after any status but DONE: the length of the message (32 bits), the message, the stack; at most MOST_TEXT bytes each. */
static int emit_failure(int status, const char *text, size_t size, const char *trace, size_t trace_size) {
    static char all[4 + 2 * MOST_TEXT];
    uint32_t first = size > MOST_TEXT ? MOST_TEXT : size, second = trace_size > MOST_TEXT ? MOST_TEXT : trace_size;
    memcpy(all, &first, 4);
    memcpy(all + 4, text, first);
    memcpy(all + 4 + first, trace, second);
    return emit(status, all, 4 + first + second);
}

static int emit_text(int status, const char *text) { return emit_failure(status, text, strlen(text), "", 0); }

/* Takes the pending exception. */
static int raise(int status) {
    JSValue error = JS_GetException(ctx), stack = JS_UNDEFINED;
    bool lacking = starved;
    heap_spare = SPARE_BYTES;
    size_t size, trace_size = 0;
    const char *message = JS_ToCStringLen(ctx, &size, error);
    if (!message)
        JS_FreeValue(ctx, JS_GetException(ctx));
    if (JS_IsError(error))
        stack = JS_GetPropertyStr(ctx, error, "stack");
    const char *trace = JS_IsString(stack) ? JS_ToCStringLen(ctx, &trace_size, stack) : NULL;
    if (JS_IsException(stack) || (JS_IsString(stack) && !trace))
        JS_FreeValue(ctx, JS_GetException(ctx));
    const char *text = message ? message : "the thrown value cannot be turned into text";
    if (!strncmp(text, "InternalError: out of memory", 28) || (lacking && JS_IsNull(error)))
        status = MEMORY;
    status = emit_failure(status, text, message ? size : strlen(text), trace ? trace : "", trace_size);
    JS_FreeCString(ctx, message);
    JS_FreeCString(ctx, trace);
    JS_FreeValue(ctx, stack);
    JS_FreeValue(ctx, error);
    heap_spare = 0;
    return status;
}

/* Whether the failure in `out` has this message. */
static bool says(const char *text) {
    uint32_t size;
    memcpy(&size, out, 4);
    return size == strlen(text) && !memcmp(out + 4, text, size);
}

static JSValue run(const char *source, size_t size, const char *name) {
    return JS_Eval(ctx, source, size, name, JS_EVAL_TYPE_GLOBAL);
}

EXPORT(lf_open) int lf_open(size_t heap_limit, const char *prelude, size_t prelude_bytes, const char *source, size_t source_bytes) {
    heap_bytes = heap_limit;
    rt = JS_NewRuntime2(&heap, NULL);
    if (!rt)
        return emit_text(MEMORY, "");
    rt->stack_limit = rt->stack_top - STACK_BYTES;
    ctx = JS_NewContext(rt);
    if (!ctx)
        return emit_text(MEMORY, "");
    JSValue value = run(prelude, prelude_bytes, "prelude.js");
    if (JS_IsException(value))
        return raise(THREW);
    JS_FreeValue(ctx, value);
    value = JS_Eval(ctx, source, source_bytes, "codec.js", JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(value))
        return raise(SYNTAX);
    value = JS_EvalFunction(ctx, value);
    if (JS_IsException(value))
        return raise(THREW);
    JS_FreeValue(ctx, value);
    for (int i = 0; i < FUNCTIONS; i++) {
        /* By evaluation, because `const decode = ...` makes no property of the global object. */
        char find[80];
        int n = snprintf(find, sizeof find, "typeof %s === 'function' ? %s : undefined", names[i], names[i]);
        functions[i] = run(find, n, "codec.js");
        if (JS_IsException(functions[i]))
            return raise(THREW);
    }
    return DONE;
}

EXPORT(lf_exports) int lf_exports(void) {
    int bits = 0;
    for (int i = 0; i < FUNCTIONS; i++)
        bits |= JS_IsUndefined(functions[i]) ? 0 : 1 << i;
    return bits;
}

static int bad_type(const char *name, JSValueConst value, const char *wanted) {
    char text[160];
    const char *kind = JS_IsPromise(value) ? "a Promise (codecs are synchronous)" : JS_IsUndefined(value) ? "undefined"
        : JS_IsNull(value) ? "null" : JS_IsFunction(ctx, value) ? "a function" : JS_IsString(value) ? "a string"
        : JS_IsBigInt(value) ? "a BigInt" : JS_IsBool(value) ? "a boolean" : JS_IsSymbol(value) ? "a symbol"
        : JS_IsNumber(value) ? "a number" : "an object";
    double number;
    if (JS_IsNumber(value) && !JS_ToFloat64(ctx, &number, value) && number != number)
        kind = "NaN";
    snprintf(text, sizeof text, "%s returned %s; it must return %s", name, kind, wanted);
    return emit_text(BAD_RESULT, text);
}

static int emit_json(const char *name, JSValueConst value, size_t most) {
    if (!JS_IsObject(value) || JS_IsFunction(ctx, value) || JS_IsPromise(value))
        return bad_type(name, value, "an object or an array");
    JSValue json = JS_JSONStringify(ctx, value, JS_UNDEFINED, JS_UNDEFINED);
    if (JS_IsException(json)) {
        int status = raise(THREW);
        if (status != THREW)
            return status;
        bool cycle = says("TypeError: circular reference");
        if (!cycle && !says("TypeError: BigInt are forbidden in JSON.stringify"))
            return status;
        char text[160];
        snprintf(text, sizeof text, "%s returned a value that JSON cannot hold: %s", name, cycle ? "it contains itself" : "a BigInt");
        return emit_text(BAD_RESULT, text);
    }
    if (!JS_IsString(json)) {
        JS_FreeValue(ctx, json);
        return bad_type(name, JS_UNDEFINED, "an object or an array (its toJSON returned nothing)");
    }
    size_t size;
    const char *text = JS_ToCStringLen(ctx, &size, json);
    JS_FreeValue(ctx, json);
    if (!text)
        return raise(THREW);
    int status = size > most ? emit_text(TOO_LARGE, "") : emit(DONE, text, size);
    JS_FreeCString(ctx, text);
    return status;
}

/* Puts `value`, an array of byte values, into `out`. */
static int emit_array(const char *name, JSValueConst value, size_t most) {
    int64_t length;
    if (JS_GetLength(ctx, value, &length))
        return raise(THREW);
    if (length > (int64_t)most)
        return emit_text(TOO_LARGE, "");
    uint8_t *bytes = malloc(length ? length : 1);
    if (!bytes)
        return emit_text(MEMORY, "");
    int status = DONE;
    for (int64_t i = 0; i < length && status == DONE; i++) {
        JSValue item = JS_GetPropertyInt64(ctx, value, i);
        double number = -1;
        if (JS_IsException(item))
            status = raise(THREW);
        else if (!JS_IsNumber(item) || JS_ToFloat64(ctx, &number, item) || !(number >= 0 && number <= 255) || number != (int)number) {
            char text[160];
            snprintf(text, sizeof text, "%s returned an array whose element %d is not a whole number from 0 to 255", name, (int)i);
            status = emit_text(BAD_RESULT, text);
        } else
            bytes[i] = (uint8_t)number;
        JS_FreeValue(ctx, item);
    }
    if (status == DONE)
        status = emit(DONE, bytes, length);
    free(bytes);
    return status;
}

static int emit_bytes(const char *name, JSValueConst value, size_t most) {
    if (JS_IsArray(value))
        return emit_array(name, value, most);
    int type = JS_IsObject(value) ? JS_GetTypedArrayType(value) : -1;
    if (type != JS_TYPED_ARRAY_UINT8 && type != JS_TYPED_ARRAY_UINT8C)
        return bad_type(name, value, "an array of byte values or a Uint8Array");
    size_t size;
    uint8_t *bytes = JS_GetUint8Array(ctx, &size, value);
    if (!bytes && JS_HasException(ctx))
        return raise(THREW);
    return size > most ? emit_text(TOO_LARGE, "") : emit(DONE, bytes, size);
}

static int emit_result(int which, JSValueConst value, size_t most) {
    return which == DECODE || which == DECODE_UPLINK ? emit_json(names[which], value, most) : emit_bytes(names[which], value, most);
}

/* The LoRaWAN convention (TS013): {data | bytes, errors}; `errors`, if there are any, are the outcome. */
static int emit_member(int which, JSValueConst result, size_t most) {
    if (!JS_IsObject(result) || JS_IsFunction(ctx, result) || JS_IsPromise(result))
        return bad_type(names[which], result, which == DECODE_UPLINK ? "{data} or {errors}" : "{bytes} or {errors}");
    JSValue errors = JS_GetPropertyStr(ctx, result, "errors");
    if (JS_IsException(errors))
        return raise(THREW);
    int64_t count = 0;
    if (JS_IsArray(errors) && JS_GetLength(ctx, errors, &count))
        return raise(THREW);
    if (count > 0) {
        JSValue text = JS_NewString(ctx, "; "), joined;
        joined = js_array_join(ctx, errors, 1, vc(&text), 0);
        JS_FreeValue(ctx, text);
        JS_FreeValue(ctx, errors);
        if (JS_IsException(joined))
            return raise(THREW);
        JS_Throw(ctx, joined);
        return raise(THREW);
    }
    JS_FreeValue(ctx, errors);
    JSValue value = JS_GetPropertyStr(ctx, result, which == DECODE_UPLINK ? "data" : "bytes");
    if (JS_IsException(value))
        return raise(THREW);
    int status = JS_IsUndefined(value)
        ? bad_type(names[which], value, which == DECODE_UPLINK ? "{data} or {errors}" : "{bytes} or {errors}")
        : emit_result(which, value, most);
    JS_FreeValue(ctx, value);
    return status;
}

static JSValue plain_array(const uint8_t *bytes, size_t size) {
    JSValue array = JS_NewArray(ctx);
    for (size_t i = 0; i < size && !JS_IsException(array); i++)
        if (JS_DefinePropertyValueUint32(ctx, array, i, JS_NewInt32(ctx, bytes[i]), JS_PROP_C_W_E) < 0) {
            JS_FreeValue(ctx, array);
            array = JS_EXCEPTION;
        }
    return array;
}

/* The single argument of a LoRaWAN function; takes over `json`. */
static JSValue lorawan_input(int which, const uint8_t *bytes, size_t size, JSValue json) {
    JSValue input = JS_NewObject(ctx);
    if (which == DECODE_UPLINK) {
        JS_DefinePropertyValueStr(ctx, input, "bytes", plain_array(bytes, size), JS_PROP_C_W_E);
        JSValue port = JS_IsObject(json) ? JS_GetPropertyStr(ctx, json, "fPort") : JS_UNDEFINED;
        JS_DefinePropertyValueStr(ctx, input, "fPort", port, JS_PROP_C_W_E);
        JS_FreeValue(ctx, json);
    } else
        JS_DefinePropertyValueStr(ctx, input, "data", json, JS_PROP_C_W_E);
    return input;
}

/* which: DECODE (bytes, json = meta) or ENCODE (json = command). The LoRaWAN names are tried second. */
EXPORT(lf_call) int lf_call(int which, const uint8_t *bytes, size_t size, const char *json_text, size_t json_bytes, size_t most) {
    if (JS_IsUndefined(functions[which]))
        which += 2;
    if (JS_IsUndefined(functions[which]))
        return emit_text(NO_FUNCTION, "");
    starved = false;
    JSValue json = JS_ParseJSON(ctx, json_text, json_bytes, "input");
    if (JS_IsException(json))
        return raise(BAD_INPUT);
    JSValue args[2] = { JS_UNDEFINED, JS_UNDEFINED };
    if (which == DECODE) {
        args[0] = JS_NewUint8ArrayCopy(ctx, bytes, size);
        args[1] = json;
    } else
        args[0] = which == ENCODE ? json : lorawan_input(which, bytes, size, json);
    if (JS_IsException(args[0]))
        return raise(THREW);
    JSValue result = JS_Call(ctx, functions[which], JS_UNDEFINED, which == DECODE ? 2 : 1, vc(args));
    JS_FreeValue(ctx, args[0]);
    JS_FreeValue(ctx, args[1]);
    if (JS_IsException(result))
        return raise(THREW);
    int status = which < DECODE_UPLINK ? emit_result(which, result, most) : emit_member(which, result, most);
    JS_FreeValue(ctx, result);
    /* Jobs left by promises are run, so that they cannot pile up; what they throw concerns nobody. */
    JSContext *job;
    while (JS_ExecutePendingJob(rt, &job) != 0)
        JS_FreeValue(ctx, JS_GetException(ctx));
    return status;
}
