// An LwM2M device on pion/dtls and go-coap: registers in blocks over DTLS with a pre-shared key and Connection ID, is read and observed, notifies, sends.
// Its input is "set VALUE", "send VALUE", "update", "deregister" or "quit". Prints what happens, a line each.
//
// Usage: device PORT ENDPOINT KEY
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	piondtls "github.com/pion/dtls/v3"
	"github.com/plgd-dev/go-coap/v3/dtls"
	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/mux"
	"github.com/plgd-dev/go-coap/v3/options"
	"github.com/plgd-dev/go-coap/v3/udp/client"
)

const temperature = "/3303/0/5700"

var (
	senML = message.AppSenmlJSON
	// Guards what follows: requests are served beside the input.
	mutex   sync.Mutex
	value   = "21.5"
	token   message.Token
	observe uint32 = 2
)

func fail(what string, err error) {
	fmt.Println("failed", what, err)
	os.Exit(1)
}

func serve(w mux.ResponseWriter, r *mux.Message) {
	mutex.Lock()
	defer mutex.Unlock()
	path, _ := r.Path()
	if path != temperature || r.Code() != codes.GET {
		_ = w.SetResponse(codes.NotFound, message.TextPlain, nil)
		return
	}
	opts := []message.Option{}
	if number, err := r.Observe(); err == nil && number == 0 {
		token = append(message.Token{}, r.Token()...)
		opts = append(opts, message.Option{ID: message.Observe, Value: []byte{byte(observe)}})
		fmt.Println("observed", path)
	}
	_ = w.SetResponse(codes.Content, message.TextPlain, strings.NewReader(value), opts...)
}

func notify(ctx context.Context, conn *client.Conn) error {
	mutex.Lock()
	defer mutex.Unlock()
	if token == nil {
		return fmt.Errorf("nobody observes")
	}
	observe++
	notification := conn.AcquireMessage(ctx)
	defer conn.ReleaseMessage(notification)
	notification.SetCode(codes.Content)
	notification.SetType(message.Confirmable)
	notification.SetToken(token)
	notification.SetObserve(observe)
	notification.SetContentFormat(message.TextPlain)
	notification.SetBody(bytes.NewReader([]byte(value)))
	return conn.WriteMessage(notification)
}

func post(ctx context.Context, conn *client.Conn, path string, format message.MediaType, body io.ReadSeeker, query ...string) string {
	opts := []message.Option{}
	for _, item := range query {
		opts = append(opts, message.Option{ID: message.URIQuery, Value: []byte(item)})
	}
	answer, err := conn.Post(ctx, path, format, body, opts...)
	if err != nil {
		fail(path, err)
	}
	location, _ := answer.Options().LocationPath()
	fmt.Println("answered", strings.SplitN(strings.TrimPrefix(path, "/"), "/", 2)[0], answer.Code())
	return location
}

func main() {
	port, endpoint, key := os.Args[1], os.Args[2], []byte(os.Args[3])
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	router := mux.NewRouter()
	router.DefaultHandle(mux.HandlerFunc(serve))
	config := piondtls.Config{
		PSK:                   func([]byte) ([]byte, error) { return key, nil },
		PSKIdentityHint:       []byte(endpoint),
		CipherSuites:          []piondtls.CipherSuiteID{piondtls.TLS_PSK_WITH_AES_128_CCM_8},
		ConnectionIDGenerator: piondtls.RandomCIDGenerator(4),
	}
	conn, err := dtls.Dial("127.0.0.1:"+port, &config, options.WithMux(router))
	if err != nil {
		fail("handshake", err)
	}
	fmt.Println("secured")
	links := strings.Builder{}
	links.WriteString("</1/0>,</3/0>,</3303/0>")
	for instance := 1; instance < 100; instance++ {
		fmt.Fprintf(&links, ",</3303/%d>", instance)
	}
	location := post(ctx, conn, "/rd", message.AppLinkFormat, strings.NewReader(links.String()), "ep="+endpoint, "lt=300", "lwm2m=1.1", "b=U")
	fmt.Println("registered", location)
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		word, argument, _ := strings.Cut(input.Text(), " ")
		switch word {
		case "set":
			value = argument
			if err := notify(ctx, conn); err != nil {
				fail("notify", err)
			}
			fmt.Println("notified", value)
		case "send":
			body := fmt.Sprintf(`[{"n":"%s","v":%s}]`, temperature, argument)
			post(ctx, conn, "/dp", senML, strings.NewReader(body))
		case "update":
			post(ctx, conn, "/"+strings.TrimPrefix(location, "/"), message.TextPlain, nil)
		case "deregister":
			answer, err := conn.Delete(ctx, "/"+strings.TrimPrefix(location, "/"))
			if err != nil {
				fail("deregister", err)
			}
			fmt.Println("answered", answer.Code())
		case "quit":
			_ = conn.Close()
			return
		}
	}
}
