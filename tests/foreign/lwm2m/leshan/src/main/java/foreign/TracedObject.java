package foreign;

import java.util.Collections;
import java.util.Map;
import java.util.Set;
import java.util.WeakHashMap;
import org.eclipse.leshan.client.resource.LwM2mInstanceEnabler;
import org.eclipse.leshan.client.resource.LwM2mInstanceEnablerFactory;
import org.eclipse.leshan.client.resource.ObjectEnabler;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.request.BootstrapDeleteRequest;
import org.eclipse.leshan.core.request.BootstrapWriteRequest;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.CreateRequest;
import org.eclipse.leshan.core.request.DeleteRequest;
import org.eclipse.leshan.core.request.DiscoverRequest;
import org.eclipse.leshan.core.request.ExecuteRequest;
import org.eclipse.leshan.core.request.ObserveRequest;
import org.eclipse.leshan.core.request.ReadRequest;
import org.eclipse.leshan.core.request.WriteAttributesRequest;
import org.eclipse.leshan.core.request.WriteRequest;
import org.eclipse.leshan.core.response.BootstrapDeleteResponse;
import org.eclipse.leshan.core.response.BootstrapWriteResponse;
import org.eclipse.leshan.core.response.CreateResponse;
import org.eclipse.leshan.core.response.DeleteResponse;
import org.eclipse.leshan.core.response.DiscoverResponse;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.core.response.ObserveResponse;
import org.eclipse.leshan.core.response.ReadResponse;
import org.eclipse.leshan.core.response.WriteAttributesResponse;
import org.eclipse.leshan.core.response.WriteResponse;

/** An object that prints what servers do to it, with the code it answers. */
final class TracedObject extends ObjectEnabler {
    /** The library asks again through {@link #observe} for each notification, with the request that began the observation. */
    private final Set<Object> established = Collections.newSetFromMap(Collections.synchronizedMap(new WeakHashMap<>()));

    TracedObject(ObjectModel model, Map<Integer, LwM2mInstanceEnabler> instances, LwM2mInstanceEnablerFactory factory, ContentFormat format) {
        super(model.id, model, instances, factory, format);
    }

    @Override
    public ReadResponse read(LwM2mServer server, ReadRequest request) {
        return traced(server, "read", request.getPath(), null, super.read(server, request));
    }

    @Override
    public synchronized WriteResponse write(LwM2mServer server, WriteRequest request) {
        WriteResponse response = super.write(server, request);
        return traced(server, request.isReplaceRequest() ? "write" : "write-update", request.getPath(), Events.value(request.getNode()), response);
    }

    @Override
    public ExecuteResponse execute(LwM2mServer server, ExecuteRequest request) {
        String arguments = request.getArguments() == null ? "" : request.getArguments().serialize();
        return traced(server, "execute", request.getPath(), arguments, super.execute(server, request));
    }

    @Override
    public synchronized ObserveResponse observe(LwM2mServer server, ObserveRequest request) {
        ObserveResponse response = super.observe(server, request);
        Object coap = request.getCoapRequest();
        if (coap instanceof org.eclipse.californium.core.coap.Request observe && observe.isObserveCancel()) {
            return traced(server, "unobserved", request.getPath(), null, response);
        }
        return coap != null && !established.add(coap) ? response : traced(server, "observed", request.getPath(), null, response);
    }

    @Override
    public synchronized CreateResponse create(LwM2mServer server, CreateRequest request) {
        return traced(server, "create", request.getPath(), null, super.create(server, request));
    }

    @Override
    public synchronized DeleteResponse delete(LwM2mServer server, DeleteRequest request) {
        return traced(server, "delete", request.getPath(), null, super.delete(server, request));
    }

    @Override
    public DiscoverResponse discover(LwM2mServer server, DiscoverRequest request) {
        return traced(server, "discover", request.getPath(), null, super.discover(server, request));
    }

    @Override
    public synchronized WriteAttributesResponse writeAttributes(LwM2mServer server, WriteAttributesRequest request) {
        return traced(server, "write-attributes", request.getPath(), request.getAttributes().toString(), super.writeAttributes(server, request));
    }

    @Override
    public synchronized BootstrapWriteResponse write(LwM2mServer server, BootstrapWriteRequest request) {
        // The values of object 0 are secrets.
        Object value = getId() == 0 ? null : Events.value(request.getNode());
        return traced(server, "bootstrap-write", request.getPath(), value, super.write(server, request));
    }

    @Override
    public synchronized BootstrapDeleteResponse delete(LwM2mServer server, BootstrapDeleteRequest request) {
        return traced(server, "bootstrap-delete", request.getPath(), null, super.delete(server, request));
    }

    private static <T extends LwM2mResponse> T traced(LwM2mServer server, String event, Object path, Object value, T response) {
        if (!server.isSystem()) {
            Events.print(event, "path", path, "value", value, "code", response.getCode().getCode());
        }
        return response;
    }
}
