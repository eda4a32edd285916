import com.microsoft.azure.sdk.iot.device.DeviceClient;
import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.service.messaging.IotHubServiceClientProtocol;
import com.microsoft.azure.sdk.iot.service.messaging.MessagingClient;
import com.microsoft.azure.sdk.iot.service.methods.DirectMethodsClient;
import com.microsoft.azure.sdk.iot.service.methods.DirectMethodsClientOptions;
import com.microsoft.azure.sdk.iot.service.registry.Device;
import com.microsoft.azure.sdk.iot.service.registry.RegistryClient;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** The hub that run.py started, devices of the tests' own, and bounded waits. */
final class HubUnderTest {
  static final Duration WAIT = Duration.ofSeconds(60);
  static final int WAIT_MS = (int) WAIT.toMillis();
  static final int WAIT_S = (int) WAIT.toSeconds();
  static final String SERVICE = System.getenv("COMPAT_SERVICE");
  static final String EVENTS = System.getenv("COMPAT_EVENTS");
  static final RegistryClient REGISTRY = new RegistryClient(SERVICE);

  private static int devices = 0;

  private HubUnderTest() {}

  /** Registers a device and gives it back with its key. */
  static synchronized Device newDevice(String name) throws Exception {
    return REGISTRY.addDevice(new Device(name + "-" + ++devices));
  }

  static DeviceClient connect(Device device, IotHubClientProtocol protocol) throws Exception {
    String host = SERVICE.replaceFirst("HostName=([^;]*).*", "$1");
    DeviceClient client = new DeviceClient(
        "HostName=" + host + ";DeviceId=" + device.getDeviceId() + ";SharedAccessKey=" + device.getPrimaryKey(), protocol);
    client.setOperationTimeout(WAIT_MS);
    client.open(true);
    return client;
  }

  static MessagingClient sender(IotHubServiceClientProtocol protocol) throws Exception {
    MessagingClient sender = new MessagingClient(SERVICE, protocol);
    sender.open(WAIT_MS);
    return sender;
  }

  /** Waits for the hub longer than the hub for the device and for its answer. */
  static DirectMethodsClient methods() {
    return new DirectMethodsClient(SERVICE, DirectMethodsClientOptions.builder().httpReadTimeoutSeconds(3 * WAIT_S).build());
  }

  static <T> T take(BlockingQueue<T> queue, String what) throws InterruptedException {
    T taken = queue.poll(WAIT.toSeconds(), TimeUnit.SECONDS);
    if (taken == null) throw new AssertionError(what + " did not come");
    return taken;
  }

  static void eventually(String what, Callable<Boolean> condition) throws Exception {
    for (Instant late = Instant.now().plus(WAIT); !condition.call(); Thread.sleep(50)) {
      if (Instant.now().isAfter(late)) throw new AssertionError(what + " took too long");
    }
  }
}
