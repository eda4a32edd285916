/* A device: ten readings, one a second. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "azure_c_shared_utility/platform.h"
#include "azure_c_shared_utility/threadapi.h"
#include "iothub.h"
#include "iothub_client_options.h"
#include "iothub_device_client.h"
#include "iothub_message.h"
#include "iothubtransportmqtt.h"

static char *read_file(const char *name) {
  FILE *file = fopen(name, "rb");
  if (file == NULL) {
    perror(name);
    exit(1);
  }
  char *text = calloc(1, 65536);
  if (text == NULL || fread(text, 1, 65535, file) == 0) {
    fprintf(stderr, "%s cannot be read\n", name);
    exit(1);
  }
  fclose(file);
  return text;
}

static void on_sent(IOTHUB_CLIENT_CONFIRMATION_RESULT result, void *context) {
  (void)context;
  printf("%s\n", result == IOTHUB_CLIENT_CONFIRMATION_OK ? "sent" : "not sent");
}

static void on_connection(IOTHUB_CLIENT_CONNECTION_STATUS status, IOTHUB_CLIENT_CONNECTION_STATUS_REASON reason,
                          void *context) {
  (void)context;
  printf("%s (reason %d)\n", status == IOTHUB_CLIENT_CONNECTION_AUTHENTICATED ? "connected" : "not connected",
         (int)reason);
}

int main(void) {
  const char *connection_string = getenv("DEVICE_CONNECTION_STRING");
  if (connection_string == NULL || IoTHub_Init() != 0) return 1;
  /* MQTT_WebSocket_Protocol takes port 443 instead of 8883. */
  IOTHUB_DEVICE_CLIENT_HANDLE device = IoTHubDeviceClient_CreateFromConnectionString(connection_string, MQTT_Protocol);
  if (device == NULL) return 1;
  char *ca = read_file("ca.pem");
  IoTHubDeviceClient_SetOption(device, OPTION_TRUSTED_CERT, ca);
  IoTHubDeviceClient_SetConnectionStatusCallback(device, on_connection, NULL);
  for (int i = 0; i < 10; i++) {
    char body[64];
    snprintf(body, sizeof body, "{\"temperature\":%.1f}", 20 + (rand() % 50) / 10.0);
    IOTHUB_MESSAGE_HANDLE message = IoTHubMessage_CreateFromString(body);
    IoTHubMessage_SetContentTypeSystemProperty(message, "application%2fjson");
    IoTHubMessage_SetContentEncodingSystemProperty(message, "utf-8");
    IoTHubMessage_SetProperty(message, "kind", "reading");
    IoTHubDeviceClient_SendEventAsync(device, message, on_sent, NULL);
    IoTHubMessage_Destroy(message);
    ThreadAPI_Sleep(1000);
  }
  IoTHubDeviceClient_Destroy(device);
  IoTHub_Deinit();
  free(ca);
  return 0;
}
