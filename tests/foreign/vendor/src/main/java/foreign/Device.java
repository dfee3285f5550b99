package foreign;

import com.huaweicloud.sdk.iot.device.IoTDevice;
import com.huaweicloud.sdk.iot.device.client.DeviceClient;
import com.huaweicloud.sdk.iot.device.client.requests.CommandRspV3;
import com.huaweicloud.sdk.iot.device.client.requests.DevicePropertiesV3;
import com.huaweicloud.sdk.iot.device.client.requests.ServiceData;
import com.huaweicloud.sdk.iot.device.transport.ActionListener;
import java.io.File;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A device as the vendor's examples write it: connects, reports, subscribes to its commands, answers one, ends. Arguments: URL DEVICE_ID SECRET CA_FILE. */
public final class Device {
    private static final CountDownLatch DONE = new CountDownLatch(3);

    public static void main(String[] args) throws InterruptedException {
        String id = args[1];
        IoTDevice device = new IoTDevice(args[0], id, args[2], new File(args[3]));
        if (device.init() != 0) {
            end("not connected", 1);
        }
        DeviceClient client = device.getClient();
        client.setCommandV3Listener(command -> {
            System.out.println("command " + command.getCmd() + " " + command.getParas());
            client.responseCommandV3(new CommandRspV3("deviceRsp", command.getMid(), 0, Map.of("result", "ok")), step("answered"));
        });
        client.subscribeTopic("/huawei/v1/devices/" + id + "/command/json", step("subscribed"), 1);
        ServiceData service = new ServiceData();
        service.setServiceId("Thermometer");
        service.setServiceData(Map.of("temperature", 23.5));
        DevicePropertiesV3 report = new DevicePropertiesV3();
        report.setMsgType("deviceReq");
        report.setServiceDatas(List.of(service));
        client.reportPropertiesV3(report, step("reported"));
        boolean done = DONE.await(30, TimeUnit.SECONDS);
        end(done ? "done" : "no command came", done ? 0 : 1);
    }

    private static ActionListener step(String name) {
        return new ActionListener() {
            @Override
            public void onSuccess(Object context) {
                System.out.println(name);
                DONE.countDown();
            }

            @Override
            public void onFailure(Object context, Throwable why) {
                end("not " + name + ": " + why, 1);
            }
        };
    }

    private static void end(String word, int status) {
        System.out.println(word);
        Runtime.getRuntime().halt(status);
    }
}
