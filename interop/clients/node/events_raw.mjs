// A stream of events as no SDK sends it. Arguments: endpoint, secret, access key id, region, what is done to it. Says as
// JSON what the answer's status was, what came of it, and whether it ended well.
import { connect } from "node:http2";
import { Chain, crc32, message, requestSignature, stamp, stringHeader } from "./signed_events.mjs";

const [endpoint, secret, id, region, deed] = process.argv.slice(2);
const service = "transcribe", date = new Date(), path = "/stream-transcription";
const authority = new URL(endpoint).host;
const headers = {
  host: authority, "content-type": "application/vnd.amazon.eventstream", "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-EVENTS",
  "x-amz-date": stamp(date), "x-amzn-transcribe-language-code": "en-US", "x-amzn-transcribe-media-encoding": "pcm",
  "x-amzn-transcribe-sample-rate": "16000",
};
const seed = requestSignature({ method: "POST", path, headers, stampText: headers["x-amz-date"], region, service, secret });
const scope = `${headers["x-amz-date"].slice(0, 8)}/${region}/${service}/aws4_request`;
headers.authorization = `AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=${Object.keys(headers).sort().join(";")}, Signature=${seed}`;
const { host, ...sent } = headers;

const audio = (text) => message([stringHeader(":event-type", "AudioEvent"),
  stringHeader(":content-type", "application/octet-stream"), stringHeader(":message-type", "event")], Buffer.from(text));
const chain = new Chain(seed, { secret, region, service });
const [one, two, three] = ["one", "two", "three"].map((text) => chain.sign(audio(text)));
const end = chain.sign(Buffer.alloc(0));
const changed = (frame, at, repair) => {
  const spoilt = Buffer.from(frame);
  spoilt[at < 0 ? spoilt.length + at : at] ^= 1;
  if (repair) spoilt.writeUInt32BE(crc32(spoilt.subarray(0, -4)), spoilt.length - 4);
  return spoilt;
};
const huge = Buffer.alloc(12);
huge.writeUInt32BE(0xfffffff0, 0);
huge.writeUInt32BE(crc32(huge.subarray(0, 8)), 8);
const old = new Chain(seed, { secret, region, service });

const streams = {
  good: [one, two, three, end],
  changed: [one, changed(two, -6, true), three, end],
  "bad-checksum": [one, changed(two, -1), three, end],
  dropped: [one, three, end],
  swapped: [two, one, three, end],
  replayed: [one, one, two, three, end],
  truncated: [one, two, three.subarray(0, 40)],
  "without-end": [one, two, three],
  "more-after-end": [one, two, three, end, end],
  huge: [one, huge, Buffer.alloc(100_000)],
  "long-ago": [old.sign(audio("one"), new Date(date.getTime() - 3_600_000)), end],
  "hang-up": [one, two],
  silent: [one],
};

const session = connect(endpoint);
const outcome = { status: null, events: 0, ended: false, error: null };
session.on("error", (error) => (outcome.error ??= error.message));
const stream = session.request({ ":method": "POST", ":path": path, ...sent }, { endStream: false });
stream.on("response", (head) => (outcome.status = head[":status"]));
let left = Buffer.alloc(0);
stream.on("data", (data) => {
  left = Buffer.concat([left, data]);
  while (outcome.status === 200 && left.length >= 4 && left.length >= left.readUInt32BE(0)) {
    left = left.subarray(left.readUInt32BE(0));
    outcome.events++;
    if (deed === "hang-up" && outcome.events === 2) stream.close(8);
  }
});
stream.on("end", () => (outcome.ended = stream.rstCode === 0));
stream.on("error", (error) => (outcome.error ??= error.message));
stream.on("close", () => {
  if (outcome.status !== 200) outcome.text = left.toString().slice(0, 500);
  console.log(JSON.stringify({ ...outcome, ended: outcome.ended && stream.rstCode === 0, reset: stream.rstCode }));
  session.destroy();
});
for (const part of streams[deed]) stream.write(part);
if (deed !== "hang-up" && deed !== "silent") stream.end();
