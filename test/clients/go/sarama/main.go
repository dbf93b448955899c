// sarama ADDRESS: IBM/sarama, by the contract of test/clients/check.py.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"eventlog.test/contract"
	"github.com/IBM/sarama"
)

type client struct{ address string }

func encoder(data []byte) sarama.Encoder {
	if data == nil {
		return nil
	}
	return sarama.ByteEncoder(data)
}

func (c client) Produce(topic, codec string, idempotent bool, events []contract.Event) ([]int64, error) {
	codecs := map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
		"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Producer.Compression = codecs[codec]
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.MaxMessageBytes = 50_000_000
	config.Producer.Flush.Frequency = 20 * time.Millisecond
	if idempotent {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
	}
	producer, err := sarama.NewSyncProducer([]string{c.address}, config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var messages []*sarama.ProducerMessage
	for _, e := range events {
		m := &sarama.ProducerMessage{Topic: topic, Partition: 0, Timestamp: e.Time, Key: encoder(e.Key), Value: encoder(e.Value)}
		for _, h := range e.Headers {
			m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(h.Name), Value: h.Value})
		}
		messages = append(messages, m)
	}
	if err := producer.SendMessages(messages); err != nil {
		var all sarama.ProducerErrors
		if errors.As(err, &all) {
			return nil, all[0]
		}
		return nil, err
	}
	var offsets []int64
	for _, m := range messages {
		offsets = append(offsets, m.Offset)
	}
	return offsets, nil
}

func (c client) Read(read contract.Read) (answer contract.Answer, err error) {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	if read.Fetch > 0 {
		config.Consumer.Fetch.Default = int32(read.Fetch)
	}
	if read.Committed {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	cl, err := sarama.NewClient([]string{c.address}, config)
	if err != nil {
		return answer, err
	}
	defer cl.Close()
	consumer, err := sarama.NewConsumerFromClient(cl)
	if err != nil {
		return answer, err
	}
	defer consumer.Close()

	if answer.End, err = cl.GetOffset(read.Topic, 0, sarama.OffsetNewest); err != nil {
		return answer, err
	}
	start := read.Start
	if read.ByTime {
		if start, err = cl.GetOffset(read.Topic, 0, read.When.UnixMilli()); err != nil || start < 0 {
			return answer, err
		}
	}
	answer.From = &start
	part, err := consumer.ConsumePartition(read.Topic, 0, start)
	if err != nil {
		return answer, err
	}
	defer part.Close()
	// it tells no position: where the last offsets of a log have no events, it has read all when nothing comes any more
	last := start
	wait := contract.Limit
	for last < answer.End && (read.Most == 0 || len(answer.Events) < read.Most) {
		if read.Most == 0 {
			wait = 2 * time.Second
		}
		select {
		case m := <-part.Messages():
			last = m.Offset + 1
			e := contract.Event{Offset: m.Offset, Time: m.Timestamp, Key: m.Key, Value: m.Value}
			for _, h := range m.Headers {
				e.Headers = append(e.Headers, contract.Header{Name: string(h.Key), Value: h.Value})
			}
			answer.Events = append(answer.Events, e)
		case <-time.After(wait):
			if read.Most > 0 {
				return answer, fmt.Errorf("%d events, %d wanted", len(answer.Events), read.Most)
			}
			return answer, nil
		}
	}
	return answer, nil
}

func main() { contract.Serve(client{os.Args[1]}) }
