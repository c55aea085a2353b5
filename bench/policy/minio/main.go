// Measures MinIO's policy engine over the scenarios of the other program, and prints the same lines. It knows only
// actions of its own, so most statements of AWS's managed policies cannot be read by it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/minio/pkg/v3/policy"
)

const (
	round     = 500 * time.Microsecond
	total     = 60 * time.Millisecond
	roundsMin = 11
)

type scenario struct {
	Mix, Outcome, Action, Resource string
	Statements                     int
	Policies                       []string
}

// median and best nanoseconds of a call.
func timing(call func()) (float64, float64) {
	run := func(calls int) time.Duration {
		began := time.Now()
		for range calls {
			call()
		}
		return time.Since(began)
	}
	once := max(run(1), 20)
	guess := max(1, int(round/8/once))
	each := max(run(guess)/time.Duration(guess), 1)
	calls := max(1, int(round/each))
	var rounds []float64
	for began := time.Now(); len(rounds) < roundsMin || time.Since(began) < total; {
		rounds = append(rounds, float64(run(calls).Nanoseconds())/float64(calls))
	}
	sort.Float64s(rounds)
	return rounds[len(rounds)/2], rounds[0]
}

func measure(asked scenario) string {
	var parts []policy.Policy
	for _, text := range asked.Policies {
		part, err := policy.ParseConfig(strings.NewReader(text))
		if err != nil {
			return "unreadable\t-"
		}
		parts = append(parts, *part)
	}
	merged := policy.MergePolicies(parts...)
	bucket, object, _ := strings.Cut(strings.TrimPrefix(asked.Resource, "arn:aws:s3:::"), "/")
	args := policy.Args{
		AccountName: "ana", Action: policy.Action(asked.Action), BucketName: bucket, ObjectName: object,
		ConditionValues: map[string][]string{"SourceIp": {"10.0.0.1"}, "SecureTransport": {"true"}},
	}
	if merged.IsAllowed(args) != (asked.Outcome == "allow") {
		return "says otherwise\t-"
	}
	median, best := timing(func() { merged.IsAllowed(args) })
	return fmt.Sprintf("%.1f\t%.1f", median, best)
}

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<28)
	for lines.Scan() {
		var asked scenario
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		fmt.Printf("minio\t%s\t%d\t%s\t%s\n", asked.Mix, asked.Statements, asked.Outcome, measure(asked))
	}
}
