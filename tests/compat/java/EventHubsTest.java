import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.azure.messaging.eventhubs.EventData;
import com.azure.messaging.eventhubs.EventHubClientBuilder;
import com.azure.messaging.eventhubs.EventHubConsumerAsyncClient;
import com.azure.messaging.eventhubs.EventHubConsumerClient;
import com.azure.messaging.eventhubs.models.EventPosition;
import com.azure.messaging.eventhubs.models.PartitionEvent;
import com.microsoft.azure.sdk.iot.device.DeviceClient;
import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.Message;
import com.microsoft.azure.sdk.iot.service.registry.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The Event Hubs client: partitions, positions and what devices sent. */
class EventHubsTest {
  /** What was read of an event. */
  static final class Read {
    final String body;
    final Map<String, Object> properties;
    final String messageId;
    final String contentType;

    Read(EventData event) {
      body = event.getBodyAsString();
      properties = event.getProperties();
      messageId = event.getMessageId();
      contentType = event.getContentType();
    }
  }

  private static EventHubClientBuilder builder() {
    return new EventHubClientBuilder().connectionString(HubUnderTest.EVENTS).consumerGroup("$Default");
  }

  private static boolean isOf(PartitionEvent event, String deviceId) {
    return deviceId.equals(event.getData().getSystemProperties().get("iothub-connection-device-id"));
  }

  /** The first event of a device, from the beginning of all partitions. */
  static Read first(String deviceId) {
    try (EventHubConsumerAsyncClient reader = builder().buildAsyncConsumerClient()) {
      return new Read(reader.receive(true).filter(event -> isOf(event, deviceId)).blockFirst(HubUnderTest.WAIT).getData());
    }
  }

  @Test
  void tellsOfThePartitions() {
    try (EventHubConsumerClient reader = builder().buildConsumerClient()) {
      List<String> partitions = new ArrayList<>();
      reader.getPartitionIds().forEach(partitions::add);
      assertEquals(List.of("0", "1", "2", "3"), partitions);
      assertEquals(reader.getEventHubName(), reader.getEventHubProperties().getName());
      assertEquals("2", reader.getPartitionProperties("2").getId());
    }
  }

  @Test
  void readsAPartitionInItsOrderAndFromAPlaceInIt() throws Exception {
    Device device = HubUnderTest.newDevice("ordered");
    DeviceClient client = HubUnderTest.connect(device, IotHubClientProtocol.MQTT);
    for (int number = 0; number < 5; number++) client.sendEvent(new Message("n" + number), HubUnderTest.WAIT_MS);
    client.close();
    PartitionEvent third;
    try (EventHubConsumerAsyncClient reader = builder().buildAsyncConsumerClient()) {
      List<PartitionEvent> all = reader.receive(true).filter(event -> isOf(event, device.getDeviceId())).take(5)
          .collectList().block(HubUnderTest.WAIT);
      List<String> bodies = new ArrayList<>();
      for (PartitionEvent event : all) bodies.add(event.getData().getBodyAsString());
      assertEquals(List.of("n0", "n1", "n2", "n3", "n4"), bodies);
      third = all.get(2);
      assertTrue(all.get(4).getData().getSequenceNumber() > third.getData().getSequenceNumber());
    }
    try (EventHubConsumerClient reader = builder().buildConsumerClient()) {
      EventPosition after = EventPosition.fromSequenceNumber(third.getData().getSequenceNumber());
      List<String> bodies = new ArrayList<>();
      String partition = third.getPartitionContext().getPartitionId();
      for (PartitionEvent event : reader.receiveFromPartition(partition, 2, after, HubUnderTest.WAIT)) {
        bodies.add(event.getData().getBodyAsString());
      }
      assertEquals(List.of("n3", "n4"), bodies);
    }
  }
}
