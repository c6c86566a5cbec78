// A stemline client: stems of a song as 16-bit WAV files.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	stemlinev1 "client/stemline/v1"
)

const partBytes = 512 * 1024 // of audio in one message

var (
	model     = flag.String("model", "", "the server's default if unset")
	ca        = flag.String("ca", "", "the authority's certificate, PEM: over TLS")
	tokenFile = flag.String("token-file", "", "holds the server's token")
)

func main() {
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: client [FLAGS] HOST:PORT SONG OUT")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 3 {
		flag.Usage()
		os.Exit(2)
	}
	if err := separate(flag.Arg(0), flag.Arg(1), flag.Arg(2)); err != nil {
		if failed, ok := status.FromError(err); ok {
			err = fmt.Errorf("%s: %s", failed.Code(), failed.Message())
		}
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// separate writes the WAV files that the server makes of the stems.
func separate(address, song, out string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // ends the call where something fails here
	security := grpc.WithInsecure()
	if *ca != "" {
		tls, err := credentials.NewClientTLSFromFile(*ca, "")
		if err != nil {
			return err
		}
		security = grpc.WithTransportCredentials(tls)
	}
	if *tokenFile != "" {
		token, err := os.ReadFile(*tokenFile)
		if err != nil {
			return err
		}
		bearer := "Bearer " + strings.TrimSpace(string(token))
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", bearer)
	}
	file, err := os.Open(song)
	if err != nil {
		return err
	}
	defer file.Close()
	connection, err := grpc.Dial(address, security)
	if err != nil {
		return err
	}
	defer connection.Close()
	call, err := stemlinev1.NewStemlineServiceClient(connection).Separate(ctx)
	if err != nil {
		return err
	}
	go upload(call, file, cancel)
	return receive(call, out)
}

// upload sends the config and then the file; what ends the call is for receive to say.
func upload(call stemlinev1.StemlineService_SeparateClient, file io.Reader, cancel func()) {
	wav := &stemlinev1.OutputFormat_Wav{Wav: &stemlinev1.WavOutput{Bits: 16}}
	config := &stemlinev1.SeparateConfig{
		Model: *model, Output: &stemlinev1.OutputFormat{Format: wav},
	}
	request := &stemlinev1.SeparateRequest{
		Request: &stemlinev1.SeparateRequest_Config{Config: config},
	}
	for call.Send(request) == nil {
		part := make([]byte, partBytes)
		n, err := io.ReadFull(file, part)
		if n == 0 && err == io.EOF {
			call.CloseSend()
			return
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			fmt.Fprintln(os.Stderr, "error:", err)
			cancel()
			return
		}
		request = &stemlinev1.SeparateRequest{
			Request: &stemlinev1.SeparateRequest_Audio{Audio: part[:n]},
		}
	}
}

// receive writes what comes until the call ends.
func receive(call stemlinev1.StemlineService_SeparateClient, out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	files := map[string]*os.File{}
	for {
		response, err := call.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, stem := range response.GetAccepted().GetStems() {
			if files[stem], err = os.Create(filepath.Join(out, stem+".wav")); err != nil {
				return err
			}
			defer files[stem].Close()
		}
		if block := response.GetStemBlock(); block != nil {
			if _, err := files[block.Stem].Write(block.Data); err != nil {
				return err
			}
		}
		if summary := response.GetSummary(); summary != nil {
			fmt.Printf("%d stems: %d samples each\n", len(files), summary.NSamples)
		}
	}
}
