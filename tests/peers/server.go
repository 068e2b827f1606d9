// A server of OTLP by grpc-go. Argument: a file in JSON with a list of cases, which servers.py
// writes. Each case has a port of its own. Prints a line of JSON for each call.
package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"github.com/golang/protobuf/proto"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

type served struct {
	Name, Host, Certificate, Key string
	Port                         int
	// Number of calls that get Status, a google.rpc.Status in hexadecimal. The others get Answer.
	Failures       int
	Status, Answer string
	// Milliseconds; 0 for no limit.
	Age, Ping int

	lock  sync.Mutex
	calls int
}

// Messages are passed on as they are: OTLP's own classes read them afterwards.
type asIs struct{}

func (asIs) Name() string { return "proto" }

func (asIs) Marshal(value interface{}) ([]byte, error) { return *value.(*[]byte), nil }

func (asIs) Unmarshal(data []byte, value interface{}) error {
	*value.(*[]byte) = append([]byte(nil), data...)
	return nil
}

func unhex(text string) []byte {
	raw, err := hex.DecodeString(text)
	must(err)
	return raw
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

var output sync.Mutex

func say(line map[string]interface{}) {
	text, err := json.Marshal(line)
	must(err)
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(text))
}

func (s *served) export(ctx context.Context, message []byte) (*[]byte, error) {
	s.lock.Lock()
	s.calls++
	number := s.calls
	s.lock.Unlock()
	from, _ := peer.FromContext(ctx)
	say(map[string]interface{}{
		"name":    s.Name,
		"from":    from.Addr.String(),
		"time":    float64(time.Now().UnixNano()) / 1e9,
		"message": base64.StdEncoding.EncodeToString(message),
	})
	if number <= s.Failures {
		wanted := &rpc.Status{}
		must(proto.Unmarshal(unhex(s.Status), wanted))
		return nil, status.ErrorProto(wanted)
	}
	answer := unhex(s.Answer)
	return &answer, nil
}

func handle(s interface{}, ctx context.Context, decode func(interface{}) error,
	_ grpc.UnaryServerInterceptor) (interface{}, error) {
	var message []byte
	if err := decode(&message); err != nil {
		return nil, err
	}
	return s.(*served).export(ctx, message)
}

func (s *served) serve() {
	millis := func(number int) time.Duration { return time.Duration(number) * time.Millisecond }
	// A ping that is not answered ends no connection: the agent answers it with its next call.
	options := []grpc.ServerOption{grpc.KeepaliveParams(keepalive.ServerParameters{
		MaxConnectionAge: millis(s.Age), Time: millis(s.Ping), Timeout: time.Hour})}
	if s.Certificate != "" {
		tls, err := credentials.NewServerTLSFromFile(s.Certificate, s.Key)
		must(err)
		options = append(options, grpc.Creds(tls))
	}
	server := grpc.NewServer(options...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "opentelemetry.proto.collector.metrics.v1.MetricsService",
		HandlerType: (*interface{})(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Export", Handler: handle}},
	}, s)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", s.Port))
	must(err)
	go func() { must(server.Serve(listener)) }()
}

func main() {
	if os.Args[1] == "--version" {
		fmt.Println(grpc.Version)
		return
	}
	encoding.RegisterCodec(asIs{})
	text, err := os.ReadFile(os.Args[1])
	must(err)
	var cases []*served
	must(json.Unmarshal(text, &cases))
	for _, one := range cases {
		one.serve()
	}
	say(map[string]interface{}{"ready": true})
	select {}
}
