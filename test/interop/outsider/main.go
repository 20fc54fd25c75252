// Command outsider reads what Countersign publishes with libraries that others wrote: filippo.io/torchwood and
// golang.org/x/mod/sumdb. Each subcommand prints one line when the library is convinced, and exits with 1 when it is not.
//
//	outsider checkpoint <vkey file> <checkpoint file>
//	outsider receipt <policy file> <entry file> <tlog-proof file>
//	outsider entries <vkey file> <URL of the log>
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	commands := map[string]func(a, b, c string) (string, error){
		"checkpoint": checkpoint,
		"receipt":    receipt,
		"entries":    entries,
	}
	args := append(os.Args[1:], "", "", "")
	command, known := commands[args[0]]
	if !known {
		fmt.Fprintln(os.Stderr, "outsider: checkpoint, receipt or entries")
		os.Exit(2)
	}
	line, err := command(args[1], args[2], args[3])
	if err != nil {
		fmt.Fprintf(os.Stderr, "outsider: %s: %v\n", args[0], err)
		os.Exit(1)
	}
	fmt.Println(line)
}

// checkpoint opens a note with the key of the log alone, as sumdb does.
func checkpoint(vkeyFile, checkpointFile, _ string) (string, error) {
	signed, err := os.ReadFile(checkpointFile)
	if err != nil {
		return "", err
	}
	tree, verifier, err := open(vkeyFile, signed)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("opened %s %d %s", verifier.Name(), tree.N, tree.Hash), nil
}

// receipt verifies a proof under a policy: the log's key, and the witnesses that must have cosigned.
func receipt(policyFile, entryFile, proofFile string) (string, error) {
	var contents [3][]byte
	for i, file := range []string{policyFile, entryFile, proofFile} {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		contents[i] = content
	}
	policy, err := torchwood.ParsePolicy(contents[0])
	if err != nil {
		return "", err
	}
	if err := torchwood.VerifyProof(policy, tlog.RecordHash(contents[1]), contents[2]); err != nil {
		return "", err
	}
	return fmt.Sprintf("verified an entry of %d bytes", len(contents[1])), nil
}

// entries reads the whole log over HTTP and authenticates each entry against the checkpoint.
func entries(vkeyFile, url, _ string) (string, error) {
	signed, err := get(url + "/checkpoint")
	if err != nil {
		return "", err
	}
	tree, _, err := open(vkeyFile, signed)
	if err != nil {
		return "", err
	}
	fetcher, err := torchwood.NewTileFetcher(url)
	if err != nil {
		return "", err
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		return "", err
	}
	var count, bytes int64
	for index, entry := range client.AllEntries(context.Background(), tree, 0) {
		if index != count {
			return "", fmt.Errorf("entry %d came after entry %d", index, count-1)
		}
		count, bytes = count+1, bytes+int64(len(entry))
	}
	if err := client.Err(); err != nil {
		return "", err
	}
	if count != tree.N {
		return "", fmt.Errorf("%d entries in a log of %d", count, tree.N)
	}
	return fmt.Sprintf("authenticated %d entries of %d bytes", count, bytes), nil
}

func open(vkeyFile string, signed []byte) (tlog.Tree, note.Verifier, error) {
	vkey, err := os.ReadFile(vkeyFile)
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	checkpoint, err := torchwood.ParseCheckpoint(opened.Text)
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	if checkpoint.Origin != verifier.Name() {
		return tlog.Tree{}, nil, fmt.Errorf("a checkpoint of %s, not of %s", checkpoint.Origin, verifier.Name())
	}
	return checkpoint.Tree, verifier, nil
}

func get(url string) ([]byte, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, answer.Status)
	}
	return io.ReadAll(answer.Body)
}
