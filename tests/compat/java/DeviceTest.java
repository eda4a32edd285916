import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.azure.sdk.iot.device.DeviceClient;
import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.IotHubMessageResult;
import com.microsoft.azure.sdk.iot.device.IotHubStatusCode;
import com.microsoft.azure.sdk.iot.device.Message;
import com.microsoft.azure.sdk.iot.device.exceptions.IotHubClientException;
import com.microsoft.azure.sdk.iot.device.transport.NoRetry;
import com.microsoft.azure.sdk.iot.device.twin.DirectMethodResponse;
import com.microsoft.azure.sdk.iot.device.twin.ReportedPropertiesUpdateResponse;
import com.microsoft.azure.sdk.iot.device.twin.Twin;
import com.microsoft.azure.sdk.iot.device.twin.TwinCollection;
import com.microsoft.azure.sdk.iot.service.messaging.IotHubServiceClientProtocol;
import com.microsoft.azure.sdk.iot.service.messaging.MessagingClient;
import com.microsoft.azure.sdk.iot.service.methods.DirectMethodRequestOptions;
import com.microsoft.azure.sdk.iot.service.registry.Device;
import com.microsoft.azure.sdk.iot.service.twin.TwinClient;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The device client over each of its transports but HTTPS. */
class DeviceTest {
  // The client's transport hands an answer to the application before it has noted who asked, and then throws it away: on a
  // busy machine about one answer in ten of a twin is lost in the client, although it arrived. Asking again is what its
  // users have to do as well.
  private static final int ASKED_AT_MOST = 10;
  private static final int ANSWER_MS = 6000;

  private static <T> T asking(Callable<T> question) throws Exception {
    for (int time = 1; ; time++) {
      try {
        return question.call();
      } catch (IotHubClientException problem) {
        if (time == ASKED_AT_MOST || problem.getStatusCode() != IotHubStatusCode.DEVICE_OPERATION_TIMED_OUT) throw problem;
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"MQTT", "MQTT_WS", "AMQPS", "AMQPS_WS"})
  void sendsTelemetryThatAReaderOfEventsGets(IotHubClientProtocol protocol) throws Exception {
    Device device = HubUnderTest.newDevice("telemetry-" + protocol);
    DeviceClient client = HubUnderTest.connect(device, protocol);
    Message message = new Message("hello " + protocol);
    message.setMessageId("id-" + protocol);
    message.setContentType("application/json");
    message.setContentEncoding("utf-8");
    message.setProperty("k", "v w");
    client.sendEvent(message, HubUnderTest.WAIT_MS);
    client.close();
    EventHubsTest.Read event = EventHubsTest.first(device.getDeviceId());
    assertEquals("hello " + protocol, event.body);
    assertEquals("v w", event.properties.get("k"));
    assertEquals("id-" + protocol, event.messageId);
    assertEquals("application/json", event.contentType);
  }

  @ParameterizedTest
  @EnumSource(names = {"MQTT", "MQTT_WS", "AMQPS", "AMQPS_WS"})
  void receivesMessages(IotHubClientProtocol protocol) throws Exception {
    Device device = HubUnderTest.newDevice("messages-" + protocol);
    DeviceClient client = HubUnderTest.connect(device, protocol);
    BlockingQueue<Message> received = new LinkedBlockingQueue<>();
    client.setMessageCallback((message, context) -> {
      received.add(message);
      return IotHubMessageResult.COMPLETE;
    }, null);
    boolean overWebSocket = protocol == IotHubClientProtocol.AMQPS_WS || protocol == IotHubClientProtocol.MQTT_WS;
    MessagingClient sender =
        HubUnderTest.sender(overWebSocket ? IotHubServiceClientProtocol.AMQPS_WS : IotHubServiceClientProtocol.AMQPS);
    // Over MQTT the hub drops what was sent before the device subscribed, and the client says nothing when that is done.
    for (int time = 1; received.isEmpty() && time <= 20; time++) {
      com.microsoft.azure.sdk.iot.service.messaging.Message message =
          new com.microsoft.azure.sdk.iot.service.messaging.Message("down");
      message.setMessageId("m" + time);
      message.getProperties().put("a", "b");
      sender.send(device.getDeviceId(), message, HubUnderTest.WAIT_MS);
      for (int pause = 0; received.isEmpty() && pause < 20; pause++) Thread.sleep(50);
    }
    Message message = HubUnderTest.take(received, "the message");
    assertEquals("down", new String(message.getBytes(), StandardCharsets.UTF_8));
    assertEquals("b", message.getProperty("a"));
    assertTrue(message.getMessageId().startsWith("m"));
    HubUnderTest.eventually("completing", () ->
        HubUnderTest.REGISTRY.getDevice(device.getDeviceId()).getCloudToDeviceMessageCount() == 0);
    sender.close();
    client.close();
  }

  @ParameterizedTest
  @EnumSource(names = {"MQTT", "MQTT_WS", "AMQPS", "AMQPS_WS"})
  void hasATwin(IotHubClientProtocol protocol) throws Exception {
    Device device = HubUnderTest.newDevice("twin-" + protocol);
    TwinClient twins = new TwinClient(HubUnderTest.SERVICE);
    com.microsoft.azure.sdk.iot.service.twin.Twin change = new com.microsoft.azure.sdk.iot.service.twin.Twin(device.getDeviceId());
    change.getDesiredProperties().put("interval", 30);
    twins.patch(change);
    DeviceClient client = HubUnderTest.connect(device, protocol);
    BlockingQueue<Twin> desired = new LinkedBlockingQueue<>();
    asking(() -> {
      client.subscribeToDesiredProperties((twin, context) -> desired.add(twin), null, ANSWER_MS);
      return null;
    });
    Twin twin = asking(() -> client.getTwin(ANSWER_MS));
    assertEquals(30.0, ((Number) twin.getDesiredProperties().get("interval")).doubleValue());
    asking(() -> {
      TwinCollection reported = new TwinCollection();
      reported.put("state", "ready");
      ReportedPropertiesUpdateResponse response = client.updateReportedProperties(reported, ANSWER_MS);
      return response.getVersion();
    });
    assertEquals("ready", twins.get(device.getDeviceId()).getReportedProperties().get("state"));
    change = new com.microsoft.azure.sdk.iot.service.twin.Twin(device.getDeviceId());
    change.getDesiredProperties().put("mode", "night");
    twins.patch(change);
    assertEquals("night", HubUnderTest.take(desired, "the desired property").getDesiredProperties().get("mode"));
    client.close();
  }

  @ParameterizedTest
  @EnumSource(names = {"MQTT", "MQTT_WS", "AMQPS", "AMQPS_WS"})
  void answersMethods(IotHubClientProtocol protocol) throws Exception {
    Device device = HubUnderTest.newDevice("methods-" + protocol);
    DeviceClient client = HubUnderTest.connect(device, protocol);
    BlockingQueue<String> asked = new LinkedBlockingQueue<>();
    client.subscribeToMethods((name, payload, context) -> {
      asked.add(name + " " + payload.getPayloadAsJsonString());
      return new DirectMethodResponse(207, Map.of("done", true));
    }, null);
    com.microsoft.azure.sdk.iot.service.methods.DirectMethodResponse response =
        HubUnderTest.methods().invoke(device.getDeviceId(), "reboot", DirectMethodRequestOptions.builder().payload("now")
            .methodConnectTimeoutSeconds(HubUnderTest.WAIT_S).methodResponseTimeoutSeconds(HubUnderTest.WAIT_S).build());
    assertEquals(207, response.getStatus());
    assertEquals("{\"done\":true}", response.getPayloadAsJsonElement().toString());
    assertEquals("reboot \"now\"", HubUnderTest.take(asked, "the method"));
    client.close();
  }

  @ParameterizedTest
  @EnumSource(names = {"MQTT", "AMQPS"})
  void isRefusedWithAWrongKey(IotHubClientProtocol protocol) throws Exception {
    Device device = HubUnderTest.newDevice("refused-" + protocol);
    String host = HubUnderTest.SERVICE.replaceFirst("HostName=([^;]*).*", "$1");
    DeviceClient client = new DeviceClient("HostName=" + host + ";DeviceId=" + device.getDeviceId()
        + ";SharedAccessKey=" + HubUnderTest.newDevice("other").getPrimaryKey(), protocol);
    client.setRetryPolicy(new NoRetry());
    assertThrows(IotHubClientException.class, () -> client.open(false));
    client.close();
  }
}
