// Appends entries to a Tessera POSIX log in a folder, from many goroutines, each waiting until its entry is durable and
// integrated before it sends the next. Prints one line of JSON.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

type result struct {
	Entries    uint64  `json:"entries"`
	Seconds    float64 `json:"seconds"`
	Integrated uint64  `json:"integrated"`
	CPUSeconds float64 `json:"cpuSeconds"`
}

func main() {
	dir := flag.String("dir", "", "folder of the log")
	seconds := flag.Float64("seconds", 3, "how long to append")
	writers := flag.Int("writers", 4096, "goroutines that append")
	batch := flag.Uint("batch", 4096, "entries of one batch")
	batchAge := flag.Duration("batch-age", 50*time.Millisecond, "longest wait of an entry for its batch")
	bytes := flag.Int("bytes", 512, "bytes of an entry")
	flag.Parse()
	ctx := context.Background()

	skey, _, err := note.GenerateKey(rand.Reader, "log.example.com/peer")
	must(err)
	signer, err := note.NewSigner(skey)
	must(err)
	driver, err := posix.New(ctx, posix.Config{Path: *dir})
	must(err)
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(time.Second).
		WithBatching(*batch, *batchAge).
		WithPushback(uint(4 * *writers))
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	must(err)

	var durable atomic.Uint64
	var wait sync.WaitGroup
	start := time.Now()
	until := start.Add(time.Duration(*seconds * float64(time.Second)))
	for range *writers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for time.Now().Before(until) {
				// Every entry is another, as ours are.
				data := make([]byte, *bytes)
				_, err := rand.Read(data)
				must(err)
				_, err = appender.Add(ctx, tessera.NewEntry(data))()
				must(err)
				durable.Add(1)
			}
		}()
	}
	wait.Wait()
	elapsed := time.Since(start).Seconds()
	cpu := cpuSeconds()
	integrated, err := reader.IntegratedSize(ctx)
	must(err)
	must(shutdown(ctx))
	must(json.NewEncoder(os.Stdout).Encode(result{durable.Load(), elapsed, integrated, cpu}))
}

// cpuSeconds is user and system time of this process so far.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
