// The AWS SDK for Go v2 as a client: operations as JSON on stdin, results as JSON on stdout.
// Region, endpoint and credentials are what the SDK finds by itself.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

type operation struct{ Op, Bucket, Key, File, Prefix string }

type result struct {
	Ok    bool     `json:"ok"`
	Error string   `json:"error,omitempty"`
	Keys  []string `json:"keys"`
	Url   string   `json:"url,omitempty"`

	AccessKey string     `json:"access_key,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"`
}

func perform(ctx context.Context, client *s3.Client, op operation) (result, error) {
	bucket, key := aws.String(op.Bucket), aws.String(op.Key)
	switch op.Op {
	case "put":
		file, err := os.Open(op.File)
		if err != nil {
			return result{}, err
		}
		defer file.Close()
		_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: file})
		return result{}, err
	case "get":
		answer, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
		if err != nil {
			return result{}, err
		}
		defer answer.Body.Close()
		file, err := os.Create(op.File)
		if err != nil {
			return result{}, err
		}
		defer file.Close()
		_, err = io.Copy(file, answer.Body)
		return result{}, err
	case "list":
		keys := []string{}
		pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String(op.Prefix)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return result{}, err
			}
			for _, entry := range page.Contents {
				keys = append(keys, *entry.Key)
			}
		}
		return result{Keys: keys}, nil
	case "delete":
		_, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key})
		return result{}, err
	case "credentials":
		held, err := client.Options().Credentials.Retrieve(ctx)
		outcome := result{AccessKey: held.AccessKeyID}
		if held.CanExpire {
			outcome.Expires = &held.Expires
		}
		return outcome, err
	case "presign":
		request, err := s3.NewPresignClient(client).PresignGetObject(ctx,
			&s3.GetObjectInput{Bucket: bucket, Key: key}, s3.WithPresignExpires(5*time.Minute))
		if err != nil {
			return result{}, err
		}
		return result{Url: request.URL}, nil
	}
	return result{}, fmt.Errorf("unknown operation %q", op.Op)
}

func main() {
	ctx := context.Background()
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		panic(err)
	}
	client := s3.NewFromConfig(settings, func(options *s3.Options) { options.UsePathStyle = true })
	var operations []operation
	if err := json.NewDecoder(os.Stdin).Decode(&operations); err != nil {
		panic(err)
	}
	results := []result{}
	for _, op := range operations {
		outcome, err := perform(ctx, client, op)
		outcome.Ok = err == nil
		if err != nil {
			outcome.Error = err.Error()
		}
		results = append(results, outcome)
	}
	json.NewEncoder(os.Stdout).Encode(results)
}
