// A device: a reading each second, a method and messages from the back end.
using System;
using System.Text;
using System.Threading.Tasks;
using Microsoft.Azure.Devices.Client;

string connectionString = Environment.GetEnvironmentVariable("DEVICE_CONNECTION_STRING")!;
using DeviceClient client = DeviceClient.CreateFromConnectionString(connectionString, TransportType.Mqtt_Tcp_Only);
client.SetConnectionStatusChangesHandler((status, reason) => Console.WriteLine($"{status} ({reason})"));
await client.OpenAsync();
await client.SetMethodHandlerAsync("blink", (request, _) =>
{
    Console.WriteLine($"blink {request.DataAsJson}");
    return Task.FromResult(new MethodResponse(Encoding.UTF8.GetBytes("{\"blinked\":true}"), 200));
}, null);
await client.SetReceiveMessageHandlerAsync(async (message, _) =>
{
    Console.WriteLine($"message: {Encoding.UTF8.GetString(message.GetBytes())}");
    await client.CompleteAsync(message);
}, null);
while (true)
{
    string body = $"{{\"temperature\":{20 + Random.Shared.NextDouble() * 5:F1}}}";
    using var message = new Message(Encoding.UTF8.GetBytes(body)) { ContentType = "application/json", ContentEncoding = "utf-8" };
    message.Properties.Add("kind", "reading");
    await client.SendEventAsync(message); // returns when the hub has stored it
    Console.WriteLine("sent");
    await Task.Delay(1000);
}
