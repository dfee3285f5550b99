package foreign;

import java.util.Date;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObject;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mResourceInstance;

/** What happens, one JSON object a line on standard output. */
final class Events {
    private Events() {
    }

    /** Prints {"event":EVENT, NAME:VALUE, ...}; members whose value is null are left out. */
    static void print(String event, Object... namesAndValues) {
        StringBuilder line = new StringBuilder("{\"event\":").append(json(event));
        for (int i = 0; i < namesAndValues.length; i += 2) {
            if (namesAndValues[i + 1] != null) {
                line.append(',').append(json(namesAndValues[i])).append(':').append(json(namesAndValues[i + 1]));
            }
        }
        synchronized (System.out) {
            System.out.println(line.append('}'));
            System.out.flush();
        }
    }

    /** Opaque values as hexadecimal text, times as seconds, what holds more than one value as an object keyed by id. */
    static Object value(LwM2mNode node) {
        Map<String, Object> members = new TreeMap<>();
        if (node instanceof LwM2mObject object) {
            object.getInstances().forEach((id, instance) -> members.put(id.toString(), value(instance)));
        } else if (node instanceof LwM2mObjectInstance instance) {
            instance.getResources().forEach((id, resource) -> members.put(id.toString(), value(resource)));
        } else if (node instanceof LwM2mResource resource && resource.isMultiInstances()) {
            resource.getInstances().forEach((id, instance) -> members.put(id.toString(), value(instance)));
        } else if (node instanceof LwM2mResource resource) {
            return resource.getValue();
        } else if (node instanceof LwM2mResourceInstance instance) {
            return instance.getValue();
        }
        return members;
    }

    private static String json(Object value) {
        if (value instanceof Map<?, ?> members) {
            StringBuilder out = new StringBuilder("{");
            members.forEach((name, member) -> out.append(out.length() > 1 ? "," : "").append(json(name)).append(':').append(json(member)));
            return out.append('}').toString();
        }
        if (value instanceof byte[] bytes) {
            return json(HexFormat.of().formatHex(bytes));
        }
        if (value instanceof Date time) {
            return Long.toString(time.getTime() / 1000);
        }
        if (value instanceof Number || value instanceof Boolean) {
            return value.toString();
        }
        StringBuilder out = new StringBuilder("\"");
        for (char c : value.toString().toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
