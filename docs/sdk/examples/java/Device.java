import com.microsoft.azure.sdk.iot.device.ClientOptions;
import com.microsoft.azure.sdk.iot.device.DeviceClient;
import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.Message;
import com.microsoft.azure.sdk.iot.device.auth.IotHubSSLContext;
import com.microsoft.azure.sdk.iot.device.twin.DirectMethodResponse;
import java.nio.charset.StandardCharsets;
import java.util.Collections;

/** A device: a reading each second, and a method from the back end. */
public class Device {
  public static void main(String[] arguments) throws Exception {
    ClientOptions options = ClientOptions.builder()
        .sslContext(IotHubSSLContext.getSSLContextFromFile("ca.pem"))
        .build();
    DeviceClient client = new DeviceClient(
        System.getenv("DEVICE_CONNECTION_STRING"), IotHubClientProtocol.MQTT, options);
    client.open(true);
    System.out.println("connected");
    client.subscribeToMethods((method, payload, context) -> {
      System.out.println(method + " " + payload.getPayloadAsJsonString());
      return new DirectMethodResponse(200, Collections.singletonMap("blinked", true));
    }, null);
    while (true) {
      Message message = new Message(String.format("{\"temperature\":%.1f}", 20 + Math.random() * 5).getBytes(StandardCharsets.UTF_8));
      message.setContentType("application/json");
      message.setContentEncoding("utf-8");
      message.setProperty("kind", "reading");
      client.sendEvent(message); // returns when the hub has stored it
      System.out.println("sent");
      Thread.sleep(1000);
    }
  }
}
