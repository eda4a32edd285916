// A back end: sends a message over AMQP; over HTTPS it calls a method, sets a property and asks for the devices.
package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/Azure/go-amqp"
)

// Hub is where a service connection string leads: "HostName=...;SharedAccessKeyName=...;SharedAccessKey=...".
type Hub struct {
	host, policy, key string
	trust             *tls.Config
}

func newHub(text, caFile string) (*Hub, error) {
	found := map[string]string{}
	for _, part := range strings.Split(text, ";") {
		if name, value, ok := strings.Cut(part, "="); ok {
			found[name] = value
		}
	}
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &Hub{found["HostName"], found["SharedAccessKeyName"], found["SharedAccessKey"], &tls.Config{RootCAs: roots}}, nil
}

func (hub *Hub) token(lifetime time.Duration) string {
	secret, err := base64.StdEncoding.DecodeString(hub.key)
	if err != nil {
		log.Fatal("the key is not base64")
	}
	scope, expiry := url.QueryEscape(hub.host), time.Now().Add(lifetime).Unix()
	digest := hmac.New(sha256.New, secret)
	fmt.Fprintf(digest, "%s\n%d", scope, expiry)
	signature := url.QueryEscape(base64.StdEncoding.EncodeToString(digest.Sum(nil)))
	return fmt.Sprintf("SharedAccessSignature sr=%s&sig=%s&se=%d&skn=%s", scope, signature, expiry, hub.policy)
}

func (hub *Hub) ask(method, path, body string) (string, error) {
	request, err := http.NewRequest(method, "https://"+hub.host+path+"?api-version=2021-04-12", bytes.NewBufferString(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", hub.token(time.Hour))
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{TLSClientConfig: hub.trust}, Timeout: 40 * time.Second}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	return string(text), err
}

func (hub *Hub) send(ctx context.Context, device, body string) error {
	name, _, _ := strings.Cut(hub.host, ".")
	connection, err := amqp.Dial(ctx, "amqps://"+hub.host, &amqp.ConnOptions{
		SASLType:  amqp.SASLTypePlain(hub.policy+"@sas.root."+name, hub.token(time.Hour)),
		TLSConfig: hub.trust,
	})
	if err != nil {
		return err
	}
	defer connection.Close()
	session, err := connection.NewSession(ctx, nil)
	if err != nil {
		return err
	}
	sender, err := session.NewSender(ctx, "/messages/devicebound", nil)
	if err != nil {
		return err
	}
	message := amqp.NewMessage([]byte(body))
	to := "/devices/" + device + "/messages/devicebound"
	message.Properties = &amqp.MessageProperties{To: &to}
	return sender.Send(ctx, message, nil) // returns when the hub has stored it
}

func main() {
	device := "d1"
	if len(os.Args) > 1 {
		device = os.Args[1]
	}
	hub, err := newHub(os.Getenv("SERVICE_CONNECTION_STRING"), "ca.pem")
	must(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	must(hub.send(ctx, device, "hello"))
	fmt.Println("message: sent")

	call := `{"methodName":"blink","payload":{"times":3},"responseTimeoutInSeconds":10,"connectTimeoutInSeconds":10}`
	answer, err := hub.ask("POST", "/twins/"+device+"/methods", call)
	must(err)
	fmt.Println("method:", answer)

	_, err = hub.ask("PATCH", "/twins/"+device, `{"tags":{"site":"north"},"properties":{"desired":{"intervalSeconds":2}}}`)
	must(err)
	answer, err = hub.ask("POST", "/devices/query", `{"query":"SELECT deviceId, connectionState FROM devices WHERE tags.site = 'north'"}`)
	must(err)
	fmt.Println("query:", answer)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
