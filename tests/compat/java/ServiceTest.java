import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.azure.sdk.iot.device.DeviceClient;
import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.IotHubMessageResult;
import com.microsoft.azure.sdk.iot.service.exceptions.IotHubNotFoundException;
import com.microsoft.azure.sdk.iot.service.jobs.ScheduledJob;
import com.microsoft.azure.sdk.iot.service.jobs.ScheduledJobStatus;
import com.microsoft.azure.sdk.iot.service.jobs.ScheduledJobsClient;
import com.microsoft.azure.sdk.iot.service.messaging.AcknowledgementType;
import com.microsoft.azure.sdk.iot.service.messaging.DeliveryAcknowledgement;
import com.microsoft.azure.sdk.iot.service.messaging.FeedbackRecord;
import com.microsoft.azure.sdk.iot.service.messaging.FeedbackStatusCode;
import com.microsoft.azure.sdk.iot.service.messaging.IotHubServiceClientProtocol;
import com.microsoft.azure.sdk.iot.service.messaging.Message;
import com.microsoft.azure.sdk.iot.service.messaging.MessageFeedbackProcessorClient;
import com.microsoft.azure.sdk.iot.service.messaging.MessagingClient;
import com.microsoft.azure.sdk.iot.service.methods.DirectMethodRequestOptions;
import com.microsoft.azure.sdk.iot.service.query.QueryClient;
import com.microsoft.azure.sdk.iot.service.query.RawQueryResponse;
import com.microsoft.azure.sdk.iot.service.query.TwinQueryResponse;
import com.microsoft.azure.sdk.iot.service.registry.Device;
import com.microsoft.azure.sdk.iot.service.registry.DeviceStatus;
import com.microsoft.azure.sdk.iot.service.registry.Module;
import com.microsoft.azure.sdk.iot.service.registry.RegistryClient;
import com.microsoft.azure.sdk.iot.service.twin.Twin;
import com.microsoft.azure.sdk.iot.service.twin.TwinClient;
import java.util.Date;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.Test;

/** The service client: registry, twins, queries, methods, messages with feedback, jobs. */
class ServiceTest {
  private static final RegistryClient REGISTRY = HubUnderTest.REGISTRY;
  private final TwinClient twins = new TwinClient(HubUnderTest.SERVICE);

  @Test
  void managesDevicesAndModules() throws Exception {
    Device device = HubUnderTest.newDevice("registered");
    String id = device.getDeviceId();
    assertEquals(DeviceStatus.Enabled, REGISTRY.getDevice(id).getStatus());
    device.setStatus(DeviceStatus.Disabled);
    assertEquals(DeviceStatus.Disabled, REGISTRY.updateDevice(device).getStatus());
    assertEquals("m1", REGISTRY.addModule(new Module(id, "m1")).getId());
    assertEquals(1, REGISTRY.getModulesOnDevice(id).size());
    REGISTRY.removeModule(id, "m1");
    assertEquals(0, REGISTRY.getModulesOnDevice(id).size());
    assertTrue(REGISTRY.getStatistics().getTotalDeviceCount() >= 1);
    REGISTRY.removeDevice(id);
    assertThrows(IotHubNotFoundException.class, () -> REGISTRY.getDevice(id));
  }

  @Test
  void writesTwinsAndFindsThemByQueries() throws Exception {
    String id = HubUnderTest.newDevice("queried").getDeviceId();
    Twin change = new Twin(id);
    change.getTags().put("site", id);
    change.getDesiredProperties().put("speed", 7);
    twins.patch(change);
    Twin twin = twins.get(id);
    assertEquals(id, twin.getTags().get("site"));
    assertEquals(7.0, ((Number) twin.getDesiredProperties().get("speed")).doubleValue());
    QueryClient queries = new QueryClient(HubUnderTest.SERVICE);
    TwinQueryResponse found = queries.queryTwins("SELECT * FROM devices WHERE tags.site = '" + id + "'");
    assertTrue(found.hasNext());
    assertEquals(id, found.next().getDeviceId());
    assertFalse(found.hasNext());
    RawQueryResponse count = queries.queryRaw("SELECT COUNT() AS n FROM devices WHERE tags.site = '" + id + "'");
    assertEquals("{\"n\":1}", count.next());
  }

  @Test
  void hearsThatADeviceIsNotThereForAMethod() throws Exception {
    String id = HubUnderTest.newDevice("absent").getDeviceId();
    // Without options the client waits longer for the device than for the answer of the request.
    DirectMethodRequestOptions atOnce = DirectMethodRequestOptions.builder().methodConnectTimeoutSeconds(0)
        .methodResponseTimeoutSeconds(HubUnderTest.WAIT_S).build();
    assertThrows(IotHubNotFoundException.class, () -> HubUnderTest.methods().invoke(id, "reboot", atOnce));
  }

  @Test
  void getsFeedbackOfAMessage() throws Exception {
    Device device = HubUnderTest.newDevice("feedback");
    BlockingQueue<FeedbackRecord> records = new LinkedBlockingQueue<>();
    MessageFeedbackProcessorClient feedback = new MessageFeedbackProcessorClient(HubUnderTest.SERVICE,
        IotHubServiceClientProtocol.AMQPS, batch -> {
          batch.getRecords().forEach(records::add);
          return AcknowledgementType.COMPLETE;
        });
    feedback.start(HubUnderTest.WAIT_MS);
    MessagingClient sender = HubUnderTest.sender(IotHubServiceClientProtocol.AMQPS_WS);
    DeviceClient client = HubUnderTest.connect(device, IotHubClientProtocol.AMQPS);
    client.setMessageCallback((message, context) -> IotHubMessageResult.REJECT, null);
    Message message = new Message("no, thank you");
    message.setMessageId("rejected-1");
    message.setDeliveryAcknowledgement(DeliveryAcknowledgement.Full);
    sender.send(device.getDeviceId(), message, HubUnderTest.WAIT_MS);
    FeedbackRecord record = HubUnderTest.take(records, "the feedback");
    // The queue is one of the hub: other tests' messages have their feedback in it, too.
    while (!"rejected-1".equals(record.getOriginalMessageId())) record = HubUnderTest.take(records, "the feedback");
    assertEquals(FeedbackStatusCode.rejected, record.getStatusCode());
    assertEquals(device.getDeviceId(), record.getDeviceId());
    client.close();
    sender.close();
    feedback.stop();
  }

  @Test
  void runsAJobOverDevices() throws Exception {
    String id = HubUnderTest.newDevice("job").getDeviceId();
    ScheduledJobsClient jobs = new ScheduledJobsClient(HubUnderTest.SERVICE);
    Twin change = new Twin(id);
    change.getDesiredProperties().put("job", 1);
    jobs.scheduleUpdateTwin("job-" + id, "deviceId = '" + id + "'", change, new Date(), 60);
    ScheduledJob[] job = new ScheduledJob[1];
    HubUnderTest.eventually("the job", () -> {
      job[0] = jobs.get("job-" + id);
      return job[0].getJobStatus() == ScheduledJobStatus.completed;
    });
    assertEquals(1.0, ((Number) twins.get(id).getDesiredProperties().get("job")).doubleValue());
  }
}
