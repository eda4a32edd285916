// A reader of events: everything that devices send, from now on, or from the start with the argument "start".
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs"
)

func main() {
	ca, err := os.ReadFile("ca.pem")
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	options := &azeventhubs.ConsumerClientOptions{TLSConfig: &tls.Config{RootCAs: roots}}
	client, err := azeventhubs.NewConsumerClientFromConnectionString(
		os.Getenv("EVENTS_CONNECTION_STRING"), "", azeventhubs.DefaultConsumerGroup, options)
	must(err)

	ctx := context.Background()
	hub, err := client.GetEventHubProperties(ctx, nil)
	must(err)
	yes := true
	position := azeventhubs.StartPosition{Latest: &yes}
	if len(os.Args) > 1 && os.Args[1] == "start" {
		position = azeventhubs.StartPosition{Earliest: &yes}
	}
	for _, partition := range hub.PartitionIDs {
		reader, err := client.NewPartitionClient(partition, &azeventhubs.PartitionClientOptions{StartPosition: position})
		must(err)
		go read(ctx, reader)
	}
	select {}
}

func read(ctx context.Context, reader *azeventhubs.PartitionClient) {
	for {
		// As many as come within a second, 100 at most.
		wait, cancel := context.WithTimeout(ctx, time.Second)
		events, err := reader.ReceiveEvents(wait, 100, nil)
		cancel()
		for _, event := range events {
			fmt.Println(event.SystemProperties["iothub-connection-device-id"], string(event.Body))
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			log.Fatal(err)
		}
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
