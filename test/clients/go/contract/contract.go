// Package contract is what the clients in Go have in common: the contract of test/clients/check.py, from lines to calls and back.
package contract

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Limit is how long anything here may take.
const Limit = 60 * time.Second

// Header of an event; its value may be nil.
type Header struct {
	Name  string
	Value []byte
}

// Event that is produced or was read.
type Event struct {
	Offset     int64
	Time       time.Time
	Key, Value []byte
	Headers    []Header
}

// Read is what to read: from Start or, if ByTime, from the first event at When or later; Most and Fetch are 0 for no limit.
type Read struct {
	Topic     string
	Start     int64
	ByTime    bool
	When      time.Time
	Most      int
	Fetch     int
	Committed bool
}

// Answer to a Read. Position is nil where the client tells none, From where no event is as late.
type Answer struct {
	Events         []Event
	Position, From *int64
	End            int64
}

// Client is what a program is made of.
type Client interface {
	Produce(topic, codec string, idempotent bool, events []Event) ([]int64, error)
	Read(read Read) (Answer, error)
}

func decode(word string) ([]byte, error) {
	if word == "-" {
		return nil, nil
	}
	data, err := base64.StdEncoding.DecodeString(word)
	if data == nil {
		data = []byte{}
	}
	return data, err
}

func encode(data []byte) *string {
	if data == nil {
		return nil
	}
	word := base64.StdEncoding.EncodeToString(data)
	return &word
}

func event(line string) (e Event, err error) {
	fields := strings.Split(line, "\t")
	at, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return e, err
	}
	e.Time = time.UnixMilli(at)
	if e.Key, err = decode(fields[1]); err != nil {
		return e, err
	}
	if e.Value, err = decode(fields[2]); err != nil {
		return e, err
	}
	for _, pair := range strings.Split(fields[3], ",") {
		if pair == "" {
			continue
		}
		words := strings.Split(pair, ":")
		name, err := decode(words[0])
		if err != nil {
			return e, err
		}
		value, err := decode(words[1])
		if err != nil {
			return e, err
		}
		e.Headers = append(e.Headers, Header{string(name), value})
	}
	return e, nil
}

func produce(client Client, words []string) (any, error) {
	text, err := os.ReadFile(words[4])
	if err != nil {
		return nil, err
	}
	var events []Event
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		e, err := event(line)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	offsets, err := client.Produce(words[1], words[2], words[3] == "idempotent", events)
	return map[string]any{"offsets": offsets}, err
}

func read(client Client, words []string, say func(any)) (any, error) {
	r := Read{Topic: words[1], Committed: words[5] == "committed"}
	n, err := strconv.ParseInt(strings.TrimPrefix(words[2], "@"), 10, 64)
	if err != nil {
		return nil, err
	}
	if r.ByTime = words[2][0] == '@'; r.ByTime {
		r.When = time.UnixMilli(n)
	} else {
		r.Start = n
	}
	if words[3] != "-" {
		r.Most, err = strconv.Atoi(words[3])
	}
	if err == nil && words[4] != "-" {
		r.Fetch, err = strconv.Atoi(words[4])
	}
	if err != nil {
		return nil, err
	}
	answer, err := client.Read(r)
	if err != nil {
		return nil, err
	}
	for _, e := range answer.Events {
		headers := make([][2]*string, 0, len(e.Headers))
		for _, h := range e.Headers {
			headers = append(headers, [2]*string{encode([]byte(h.Name)), encode(h.Value)})
		}
		say(map[string]any{"offset": e.Offset, "time": e.Time.UnixMilli(), "key": encode(e.Key), "value": encode(e.Value), "headers": headers})
	}
	return map[string]any{"position": answer.Position, "end": answer.End, "from": answer.From}, nil
}

// Serve until the input ends.
func Serve(client Client) {
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	say := func(answer any) {
		if err := encoder.Encode(answer); err != nil {
			panic(err)
		}
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); out.Flush() {
		words := strings.Fields(in.Text())
		var answer any
		var err error
		if words[0] == "produce" {
			answer, err = produce(client, words)
		} else {
			answer, err = read(client, words, say)
		}
		if err != nil {
			answer = map[string]any{"error": fmt.Sprint(err)}
		}
		say(answer)
	}
}
