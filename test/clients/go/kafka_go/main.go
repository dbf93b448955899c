// kafka_go ADDRESS: segmentio/kafka-go, by the contract of test/clients/check.py.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"eventlog.test/contract"
	"github.com/segmentio/kafka-go"
)

type client struct{ address string }

// One partition, whatever the balancer says.
func first(kafka.Message, ...int) int { return 0 }

func (c client) Produce(topic, codec string, _ bool, events []contract.Event) ([]int64, error) {
	codecs := map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}
	var offsets []int64
	var failed error
	// which topics there are is remembered for some seconds, by a transport
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	writer := &kafka.Writer{Transport: transport, Addr: kafka.TCP(c.address), Topic: topic, Balancer: kafka.BalancerFunc(first), Compression: codecs[codec],
		RequiredAcks: kafka.RequireAll, BatchBytes: 50_000_000, BatchTimeout: 20 * time.Millisecond, BatchSize: 100, WriteTimeout: contract.Limit,
		Completion: func(messages []kafka.Message, err error) {
			failed = errors.Join(failed, err)
			for _, m := range messages {
				offsets = append(offsets, m.Offset)
			}
		}}
	var messages []kafka.Message
	for _, e := range events {
		m := kafka.Message{Time: e.Time, Key: e.Key, Value: e.Value}
		for _, h := range e.Headers {
			m.Headers = append(m.Headers, kafka.Header{Key: h.Name, Value: h.Value})
		}
		messages = append(messages, m)
	}
	if err := writer.WriteMessages(context.Background(), messages...); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return offsets, failed
}

func (c client) listOffset(topic string, when kafka.OffsetRequest) (kafka.PartitionOffsets, error) {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	cl := &kafka.Client{Addr: kafka.TCP(c.address), Timeout: 10 * time.Second, Transport: transport}
	answer, err := cl.ListOffsets(context.Background(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {when}}})
	if err != nil {
		return kafka.PartitionOffsets{}, err
	}
	return answer.Topics[topic][0], answer.Topics[topic][0].Error
}

func (c client) Read(read contract.Read) (answer contract.Answer, err error) {
	end, err := c.listOffset(read.Topic, kafka.LastOffsetOf(0))
	if err != nil {
		return answer, err
	}
	answer.End = end.LastOffset
	start := read.Start
	if read.ByTime {
		found, err := c.listOffset(read.Topic, kafka.TimeOffsetOf(0, read.When))
		if err != nil {
			return answer, err
		}
		start = -1
		for offset := range found.Offsets {
			start = offset
		}
		if start < 0 {
			return answer, nil
		}
	}
	answer.From = &start
	config := kafka.ReaderConfig{Brokers: []string{c.address}, Topic: read.Topic, Partition: 0, MaxWait: 500 * time.Millisecond, MinBytes: 1,
		MaxBytes: 50_000_000}
	if read.Fetch > 0 {
		config.MaxBytes = read.Fetch
	}
	if read.Committed {
		config.IsolationLevel = kafka.ReadCommitted
	}
	reader := kafka.NewReader(config)
	defer reader.Close()
	if err := reader.SetOffset(start); err != nil {
		return answer, err
	}
	// control batches are handed out as messages, so it gets to the end everywhere
	last := start
	answer.Position = &last
	ctx, cancel := context.WithTimeout(context.Background(), contract.Limit)
	defer cancel()
	for last < answer.End && (read.Most == 0 || len(answer.Events) < read.Most) {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			return answer, fmt.Errorf("position %d, end %d: %w", last, answer.End, err)
		}
		last = m.Offset + 1
		e := contract.Event{Offset: m.Offset, Time: m.Time, Key: m.Key, Value: m.Value}
		for _, h := range m.Headers {
			e.Headers = append(e.Headers, contract.Header{Name: h.Key, Value: h.Value})
		}
		answer.Events = append(answer.Events, e)
	}
	return answer, nil
}

func main() { contract.Serve(client{os.Args[1]}) }
