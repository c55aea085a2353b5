// A stream of events as no SDK sends it. Arguments: endpoint, secret, access key id, region, what is done to it. Says as
// JSON what the answer's status was, what came of it, and whether it ended well.
import { connect } from "node:http2";
import { audio, crc32, opened } from "./signed_events.mjs";

const [endpoint, secret, id, region, deed] = process.argv.slice(2);
const { path, headers, chain: begun } = opened(endpoint, secret, id, region);
const { host, ...sent } = headers;
const chain = begun();
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
  "long-ago": [begun().sign(audio("one"), new Date(Date.now() - 3_600_000)), end],
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
