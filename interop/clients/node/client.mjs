// The AWS SDK for JavaScript v3 as a client: operations as JSON on stdin, results as JSON on stdout.
// Region, endpoint and credentials are what the SDK finds by itself.
import { readFileSync, createReadStream, createWriteStream, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import {
  S3Client, PutObjectCommand, GetObjectCommand, ListObjectsV2Command, DeleteObjectCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const s3 = new S3Client({ forcePathStyle: true });

const operations = {
  async put({ bucket, key, file }) {
    const Body = createReadStream(file);
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body, ContentLength: statSync(file).size }));
  },
  async get({ bucket, key, file }) {
    const answer = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    await pipeline(answer.Body, createWriteStream(file));
  },
  async list({ bucket, prefix }) {
    const keys = [];
    let ContinuationToken;
    do {
      const page = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken }));
      keys.push(...(page.Contents ?? []).map((entry) => entry.Key));
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken);
    return { keys };
  },
  async delete({ bucket, key }) {
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
  },
  async credentials() {
    const { accessKeyId, expiration } = await s3.config.credentials();
    return { access_key: accessKeyId, expires: expiration?.toISOString() };
  },
  async presign({ bucket, key }) {
    return { url: await getSignedUrl(s3, new GetObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: 300 }) };
  },
};

const results = [];
for (const operation of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    results.push({ ok: true, ...(await operations[operation.op](operation)) });
  } catch (error) {
    results.push({ ok: false, error: `${error.name}: ${error.message}` });
  }
}
console.log(JSON.stringify(results));
