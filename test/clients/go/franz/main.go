// franz ADDRESS: franz-go, by the contract of test/clients/check.py.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"eventlog.test/contract"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type client struct{ address string }

func (c client) Produce(topic, codec string, idempotent bool, events []contract.Event) ([]int64, error) {
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	options := []kgo.Opt{kgo.SeedBrokers(c.address), kgo.ProducerBatchCompression(codecs[codec]), kgo.ProducerBatchMaxBytes(50_000_000),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(20 * time.Millisecond)}
	if !idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	cl, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), contract.Limit)
	defer cancel()
	var records []*kgo.Record
	for _, e := range events {
		r := &kgo.Record{Topic: topic, Partition: 0, Timestamp: e.Time, Key: e.Key, Value: e.Value}
		for _, h := range e.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
		records = append(records, r)
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return nil, err
	}
	var offsets []int64
	for _, r := range records {
		offsets = append(offsets, r.Offset)
	}
	return offsets, nil
}

// listOffset asks for the first offset at a time in milliseconds or later; -1 is the end.
func listOffset(ctx context.Context, cl *kgo.Client, topic string, when int64) (int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	part := kmsg.NewListOffsetsRequestTopicPartition()
	part.Timestamp = when
	request.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{part}}}
	answer, err := request.RequestWith(ctx, cl)
	if err != nil {
		return 0, err
	}
	found := answer.Topics[0].Partitions[0]
	return found.Offset, kerr.ErrorForCode(found.ErrorCode)
}

func (c client) Read(read contract.Read) (answer contract.Answer, err error) {
	// records of control batches are what tells that the end is reached where nothing else is left
	options := []kgo.Opt{kgo.SeedBrokers(c.address), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset())}
	if read.Fetch > 0 {
		options = append(options, kgo.FetchMaxPartitionBytes(int32(read.Fetch)), kgo.FetchMaxBytes(int32(read.Fetch)))
	}
	if read.Committed {
		options = append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	cl, err := kgo.NewClient(options...)
	if err != nil {
		return answer, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), contract.Limit)
	defer cancel()

	if answer.End, err = listOffset(ctx, cl, read.Topic, -1); err != nil {
		return answer, err
	}
	start := read.Start
	if read.ByTime {
		if start, err = listOffset(ctx, cl, read.Topic, read.When.UnixMilli()); err != nil || start < 0 {
			return answer, err
		}
	}
	answer.From = &start
	position := start
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{read.Topic: {0: kgo.NewOffset().At(start)}})
	for position < answer.End && (read.Most == 0 || len(answer.Events) < read.Most) {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return answer, fmt.Errorf("position %d, end %d", position, answer.End)
		}
		if err := fetches.Err(); err != nil {
			return answer, err
		}
		for _, r := range fetches.Records() {
			position = r.Offset + 1
			if r.Attrs.IsControl() || read.Most > 0 && len(answer.Events) == read.Most {
				continue
			}
			e := contract.Event{Offset: r.Offset, Time: r.Timestamp, Key: r.Key, Value: r.Value}
			for _, h := range r.Headers {
				e.Headers = append(e.Headers, contract.Header{Name: h.Key, Value: h.Value})
			}
			answer.Events = append(answer.Events, e)
		}
	}
	answer.Position = &position
	return answer, nil
}

func main() { contract.Serve(client{os.Args[1]}) }
