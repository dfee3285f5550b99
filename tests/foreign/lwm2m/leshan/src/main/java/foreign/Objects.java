package foreign;

import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.resource.LwM2mInstanceEnabler;
import org.eclipse.leshan.client.resource.LwM2mObjectEnabler;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.client.resource.SimpleInstanceEnabler;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.LwM2m.LwM2mVersion;
import org.eclipse.leshan.core.model.InvalidDDFFileException;
import org.eclipse.leshan.core.model.InvalidModelException;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.model.StaticModel;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.node.ObjectLink;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.util.datatype.ULong;

/** The objects of the device: 0, 1, 3, 4, 6, 19 and 3303; a bootstrap server fills 0 and 1. */
final class Objects {
    private static final long SHORT_SERVER_ID = 123;
    private final Map<LwM2mPath, Instance> instances = new HashMap<>();
    private final Set<LwM2mPath> unsent = new LinkedHashSet<>();
    private final List<LwM2mObjectEnabler> enablers;

    Objects(Options options) throws IOException, InvalidModelException, InvalidDDFFileException {
        List<ObjectModel> models = new ArrayList<>(ObjectLoader.loadDefault(LwM2mVersion.get(options.text("--version", "1.1"))));
        // The library's own object 0 has resources that LwM2M 1.0 has not, and only a bootstrap server ever sees it.
        models.removeIf(model -> model.id == 0);
        ObjectLoader.loadDefault(LwM2mVersion.V1_1).stream().filter(model -> model.id == 0).forEach(models::add);
        models.add(model("3303"));
        String data = options.text("--object19", "multiple");
        ObjectModel container = model("19");
        models.add(data.equals("single") ? withSingleData(container) : container);

        ObjectsInitializer objects = new TracedObjects(new StaticModel(models));
        connect(objects, options);
        add(objects, new Instance(0, 0, "Open Mobile Works", 1, "LWD-1", 2, "SN-0001", 3, "1.0.7", 9, 87L, 11, Map.of(0, 0L), 14, "+00:00", 15, "UTC",
                16, "U"), 3);
        add(objects, new Instance(0, 0, 0L, 1, Map.of(0, 0L), 2, -71L, 3, 60L, 4, Map.of(0, "127.0.0.1")), 4);
        add(objects, new Instance(0, 0, 50.7374, 1, 7.0982, 5, new Date(1_700_000_000_000L)), 6);
        add(objects, new Instance(0, 5601, 20.0, 5602, 20.0, 5700, 20.0, 5701, "Cel", 5750, "foreign"), 3303);
        if (!data.equals("off")) {
            Object none = data.equals("single") ? new byte[0] : Map.of();
            objects.setInstancesForObject(19, register(19, new Instance(0, 0, none)), register(19, new Instance(1, 0, none)));
        }
        enablers = objects.createAll();
    }

    List<LwM2mObjectEnabler> enablers() {
        return enablers;
    }

    /** Sets a resource (or one instance of a multiple resource) from text and notifies, unless {@code quiet}: then at {@link #flush}. */
    void set(LwM2mPath path, String text, boolean quiet) {
        Instance instance = instances.get(path.toObjectInstancePath());
        if (instance == null || path.getResourceId() == null) {
            throw new IllegalArgumentException("no such resource " + path);
        }
        ResourceModel model = instance.getModel().resources.get(path.getResourceId());
        Object value = parse(model.type, text);
        LwM2mResource resource = model.multiple
                ? LwM2mMultipleResource.newResource(model.id, Map.of(path.isResourceInstance() ? path.getResourceInstanceId() : 0, value), model.type)
                : LwM2mSingleResource.newResource(model.id, value, model.type);
        instance.assign(resource);
        List<LwM2mPath> changed = new ArrayList<>(List.of(new LwM2mPath(path.getObjectId(), path.getObjectInstanceId(), model.id)));
        if (model.multiple) {
            resource.getInstances().keySet().forEach(id -> changed.add(changed.get(0).append(id)));
        }
        if (quiet) {
            unsent.addAll(changed);
        } else {
            instance.fireResourcesChange(changed.toArray(LwM2mPath[]::new));
        }
    }

    /** Notifies what was set quietly. */
    void flush() {
        List<LwM2mPath> paths = List.copyOf(unsent);
        unsent.clear();
        paths.forEach(path -> instances.get(path.toObjectInstancePath()).fireResourcesChange(path));
    }

    private void connect(ObjectsInitializer objects, Options options) {
        String uri = options.text("--server");
        boolean bootstrap = options.has("--bootstrap");
        Security security;
        if (uri.startsWith("coaps:")) {
            byte[] identity = options.text("--identity", options.text("--endpoint")).getBytes(java.nio.charset.StandardCharsets.UTF_8);
            security = bootstrap ? Security.pskBootstrap(uri, identity, options.psk())
                    : Security.psk(uri, (int) SHORT_SERVER_ID, identity, options.psk());
        } else {
            security = bootstrap ? Security.noSecBootstrap(uri) : Security.noSec(uri, (int) SHORT_SERVER_ID);
        }
        objects.setInstancesForObject(0, security);
        if (bootstrap) {
            objects.setClassForObject(1, Server.class);
        } else {
            objects.setInstancesForObject(1,
                    new Server((int) SHORT_SERVER_ID, options.number("--lifetime", 300), java.util.EnumSet.of(BindingMode.U), false, BindingMode.U));
        }
    }

    private void add(ObjectsInitializer objects, Instance instance, int objectId) {
        objects.setInstancesForObject(objectId, register(objectId, instance));
    }

    private Instance register(int objectId, Instance instance) {
        instances.put(new LwM2mPath(objectId, instance.getId()), instance);
        return instance;
    }

    private static ObjectModel model(String id) throws IOException, InvalidModelException, InvalidDDFFileException {
        try (InputStream file = Objects.class.getResourceAsStream("/models/" + id + ".xml")) {
            return ObjectLoader.loadDdfFile(file, id).get(0);
        }
    }

    /** NB-IoT modules treat /19/x/0 as one opaque value, against the registered model. */
    private static ObjectModel withSingleData(ObjectModel model) {
        Collection<ResourceModel> resources = new ArrayList<>();
        for (ResourceModel r : model.resources.values()) {
            resources.add(r.id != 0 ? r
                    : new ResourceModel(r.id, r.name, r.operations, false, r.mandatory, r.type, r.rangeEnumeration, r.units, r.description));
        }
        return new ObjectModel(model.id, model.name, model.description, model.version, model.multiple, model.mandatory, resources, model.urn,
                model.lwm2mVersion, model.description2);
    }

    private static Object parse(ResourceModel.Type type, String text) {
        return switch (type) {
            case INTEGER -> Long.valueOf(text);
            case UNSIGNED_INTEGER -> ULong.valueOf(text);
            case FLOAT -> Double.valueOf(text);
            case BOOLEAN -> Boolean.valueOf(text);
            case TIME -> new Date(Long.parseLong(text) * 1000);
            case OPAQUE -> HexFormat.of().parseHex(text);
            case OBJLNK -> ObjectLink.fromPath(text);
            default -> text;
        };
    }

    /** Holds its values in memory; every executable resource of its model can be executed. */
    public static final class Instance extends SimpleInstanceEnabler {
        public Instance() {
        }

        Instance(int id, Object... idsAndValues) {
            super(id, idsAndValues);
        }

        void assign(LwM2mResource resource) {
            resources.put(resource.getId(), resource);
        }

        @Override
        public ExecuteResponse execute(LwM2mServer server, int resourceId, Arguments arguments) {
            return ExecuteResponse.success();
        }

        @Override
        public List<Integer> getAvailableResourceIds(ObjectModel model) {
            Set<Integer> ids = new TreeSet<>(resources.keySet());
            model.resources.values().stream().filter(r -> r.operations.isExecutable()).forEach(r -> ids.add(r.id));
            return List.copyOf(ids);
        }
    }

    private static final class TracedObjects extends ObjectsInitializer {
        TracedObjects(StaticModel model) {
            super(model);
        }

        @Override
        protected LwM2mObjectEnabler createNodeEnabler(ObjectModel model) {
            Map<Integer, LwM2mInstanceEnabler> byId = new HashMap<>();
            for (LwM2mInstanceEnabler instance : createInstances(model)) {
                if (instance.getId() == null) {
                    instance.setId(byId.size());
                }
                instance.setModel(model);
                byId.put(instance.getId(), instance);
            }
            return new TracedObject(model, byId, getFactoryFor(model), getContentFormat(model.id));
        }
    }
}
