import com.microsoft.azure.sdk.iot.service.methods.DirectMethodRequestOptions;
import com.microsoft.azure.sdk.iot.service.methods.DirectMethodsClient;
import com.microsoft.azure.sdk.iot.service.methods.DirectMethodResponse;
import com.microsoft.azure.sdk.iot.service.twin.Twin;
import com.microsoft.azure.sdk.iot.service.twin.TwinClient;
import java.util.Collections;

/** A back end: calls a method and sets a property. */
public class BackEnd {
  public static void main(String[] arguments) throws Exception {
    String service = System.getenv("SERVICE_CONNECTION_STRING");
    String device = arguments.length > 0 ? arguments[0] : "d1";
    DirectMethodRequestOptions call = DirectMethodRequestOptions.builder()
        .payload(Collections.singletonMap("times", 3))
        .build();
    DirectMethodResponse answer = new DirectMethodsClient(service).invoke(device, "blink", call);
    System.out.println("method: " + answer.getStatus());

    TwinClient twins = new TwinClient(service);
    Twin twin = twins.get(device);
    twin.getDesiredProperties().put("intervalSeconds", 2);
    twins.patch(twin);
    System.out.println("twin: " + twins.get(device).getDesiredProperties().get("intervalSeconds"));
    System.exit(0);
  }
}
