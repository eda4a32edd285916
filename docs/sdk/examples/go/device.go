// A device: a reading each second, messages and a method from the back end, a setting from its twin.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"math/rand"
	"net/url"
	"os"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Fields of a connection string: "HostName=...;DeviceId=...;SharedAccessKey=...".
func fields(text string) map[string]string {
	found := map[string]string{}
	for _, part := range strings.Split(text, ";") {
		if name, value, ok := strings.Cut(part, "="); ok {
			found[name] = value
		}
	}
	return found
}

// The device's password: a shared access signature.
func token(resource, key string, lifetime time.Duration) string {
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		log.Fatal("the key is not base64")
	}
	scope, expiry := url.QueryEscape(resource), time.Now().Add(lifetime).Unix()
	digest := hmac.New(sha256.New, secret)
	fmt.Fprintf(digest, "%s\n%d", scope, expiry)
	signature := url.QueryEscape(base64.StdEncoding.EncodeToString(digest.Sum(nil)))
	return fmt.Sprintf("SharedAccessSignature sr=%s&sig=%s&se=%d", scope, signature, expiry)
}

func main() {
	own := fields(os.Getenv("DEVICE_CONNECTION_STRING"))
	host, device, key := own["HostName"], own["DeviceId"], own["SharedAccessKey"]
	ca, err := os.ReadFile("ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	interval := make(chan time.Duration, 1)

	options := mqtt.NewClientOptions().AddBroker("ssl://" + host + ":8883") // or "wss://" + host + "/$iothub/websocket"
	options.SetProtocolVersion(4).SetClientID(device).SetCleanSession(false).SetTLSConfig(&tls.Config{RootCAs: roots})
	options.SetCredentialsProvider(func() (string, string) { // for each connection a new token
		return host + "/" + device + "/?api-version=2021-04-12", token(host+"/devices/"+device, key, time.Hour)
	})
	options.SetDefaultPublishHandler(func(client mqtt.Client, message mqtt.Message) {
		topic := message.Topic()
		switch {
		case strings.HasPrefix(topic, "devices/"):
			fmt.Printf("message: %s\n", message.Payload())
		case strings.HasPrefix(topic, "$iothub/methods/POST/"):
			fmt.Printf("%s %s\n", strings.Split(topic, "/")[3], message.Payload())
			_, request, _ := strings.Cut(topic, "$rid=")
			client.Publish("$iothub/methods/res/200/?$rid="+request, 0, false, `{"blinked":true}`)
		case strings.HasPrefix(topic, "$iothub/twin/PATCH/properties/desired/"):
			var desired struct{ IntervalSeconds float64 }
			if json.Unmarshal(message.Payload(), &desired) == nil && desired.IntervalSeconds > 0 {
				fmt.Println("interval is now", desired.IntervalSeconds)
				interval <- time.Duration(desired.IntervalSeconds * float64(time.Second))
				body := fmt.Sprintf(`{"intervalSeconds":%g}`, desired.IntervalSeconds)
				client.Publish("$iothub/twin/PATCH/properties/reported/?$rid=2", 0, false, body)
			}
		case strings.HasPrefix(topic, "$iothub/twin/res/"):
			fmt.Printf("twin: %s %s\n", strings.Split(topic, "/")[3], message.Payload())
		}
	})
	options.SetOnConnectHandler(func(client mqtt.Client) {
		fmt.Println("connected")
		client.SubscribeMultiple(map[string]byte{
			"devices/" + device + "/messages/devicebound/#": 1,
			"$iothub/methods/POST/#":                        0,
			"$iothub/twin/res/#":                            0,
			"$iothub/twin/PATCH/properties/desired/#":       0,
		}, nil)
		client.Publish("$iothub/twin/GET/?$rid=1", 0, false, "")
	})

	client := mqtt.NewClient(options)
	if connect := client.Connect(); connect.Wait() && connect.Error() != nil {
		log.Fatal(connect.Error())
	}
	// The bag of properties in the topic: $.ct and $.ce are the body's type and encoding, the others are the application's.
	topic := "devices/" + device + "/messages/events/$.ct=application%2Fjson&$.ce=utf-8&kind=reading"
	ticker := time.NewTicker(time.Second)
	for {
		body := fmt.Sprintf(`{"temperature":%.1f}`, 20+rand.Float64()*5)
		if sent := client.Publish(topic, 1, false, body); sent.Wait() && sent.Error() != nil { // until the hub has stored it
			log.Print("not sent: ", sent.Error())
		} else {
			fmt.Println("sent", body)
		}
		select {
		case <-ticker.C:
		case seconds := <-interval:
			ticker.Reset(seconds)
		}
	}
}
