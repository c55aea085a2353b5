// Signature version 4 over requests and streams of events, written from AWS's documentation for the tests: what Hallpass
// sends is judged by this, and what it must refuse is made with it.
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const hmac = (key, data) => createHmac("sha256", key).update(data).digest();

const TABLE = Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});
export const crc32 = (data) => {
  let sum = 0xffffffff;
  for (const byte of data) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
};

export const stamp = (date) => date.toISOString().replace(/[-:]|\.\d+/g, "");

export function signingKey(secret, day, region, service) {
  return [day, region, service, "aws4_request"].reduce((key, part) => hmac(key, part), Buffer.from("AWS4" + secret));
}

/** The signature over a request whose payload line is the events' own; `headers` are the signed ones. */
export function requestSignature({ method, path, headers, stampText, region, service, secret }) {
  const names = Object.keys(headers).sort();
  const canonical = [
    method, path, "", ...names.map((name) => `${name}:${String(headers[name]).trim()}`), "", names.join(";"),
    "STREAMING-AWS4-HMAC-SHA256-EVENTS",
  ].join("\n");
  const day = stampText.slice(0, 8);
  const text = ["AWS4-HMAC-SHA256", stampText, `${day}/${region}/${service}/aws4_request`, sha256(canonical)].join("\n");
  return hmac(signingKey(secret, day, region, service), text).toString("hex");
}

const number = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

/** A message of the event stream format; header values are framed already. */
export function message(headers, payload) {
  const block = Buffer.concat(headers);
  const lengths = Buffer.concat([number(16 + block.length + payload.length), number(block.length)]);
  const covered = Buffer.concat([lengths, number(crc32(lengths)), block, payload]);
  return Buffer.concat([covered, number(crc32(covered))]);
}

const named = (name, kind, value) => Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([kind]), value]);
export const stringHeader = (name, value) =>
  named(name, 7, Buffer.concat([Buffer.from([value.length >> 8, value.length & 255]), Buffer.from(value)]));
export function dateHeader(date) {
  const millis = Buffer.alloc(8);
  millis.writeBigInt64BE(BigInt(date.getTime()));
  return named(":date", 8, millis);
}
const signatureHeader = (hex) => named(":chunk-signature", 6, Buffer.concat([Buffer.from([0, 32]), Buffer.from(hex, "hex")]));

/** Signs, or checks, the events of one stream. */
export class Chain {
  constructor(seed, { secret, region, service }) {
    Object.assign(this, { previous: seed, secret, region, service });
  }
  next(date, header, payload) {
    const text = stamp(date), day = text.slice(0, 8);
    const lines = ["AWS4-HMAC-SHA256-PAYLOAD", text, `${day}/${this.region}/${this.service}/aws4_request`, this.previous,
      sha256(header), sha256(payload)];
    return hmac(signingKey(this.secret, day, this.region, this.service), lines.join("\n")).toString("hex");
  }
  sign(payload, date = new Date()) {
    const header = dateHeader(date);
    this.previous = this.next(date, header, payload);
    return message([header, signatureHeader(this.previous)], payload);
  }
  /** The payload of one outer message, or an error. */
  check(frame) {
    const headers = frame.subarray(12, 12 + frame.readUInt32BE(4));
    const payload = frame.subarray(12 + headers.length, frame.length - 4);
    if (crc32(frame.subarray(0, 8)) !== frame.readUInt32BE(8)) throw new Error("checksum of the prelude");
    if (crc32(frame.subarray(0, -4)) !== frame.readUInt32BE(frame.length - 4)) throw new Error("checksum of the message");
    let date, dateBytes, signature;
    for (let at = 0; at < headers.length;) {
      const start = at, length = headers[at], name = headers.toString("latin1", at + 1, at + 1 + length);
      const kind = headers[at + 1 + length];
      at += 2 + length;
      if (name === ":date" && kind === 8) {
        date = new Date(Number(headers.readBigInt64BE(at)));
        at += 8;
        dateBytes = headers.subarray(start, at);
      } else if (name === ":chunk-signature" && kind === 6) {
        const size = headers.readUInt16BE(at);
        signature = headers.subarray(at + 2, at + 2 + size);
        at += 2 + size;
      } else {
        throw new Error(`header ${name}`);
      }
    }
    const expected = this.next(date, dateBytes, payload);
    if (!timingSafeEqual(Buffer.from(expected, "hex"), signature)) throw new Error("signature of an event");
    this.previous = expected;
    return payload;
  }
}

/** The head of a transcription, signed, and the chain of its events. */
export function opened(endpoint, secret, id, region) {
  const service = "transcribe", path = "/stream-transcription", date = stamp(new Date());
  const headers = {
    host: new URL(endpoint).host, "content-type": "application/vnd.amazon.eventstream",
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-EVENTS", "x-amz-date": date, "x-amzn-transcribe-language-code": "en-US",
    "x-amzn-transcribe-media-encoding": "pcm", "x-amzn-transcribe-sample-rate": "16000",
  };
  const seed = requestSignature({ method: "POST", path, headers, stampText: date, region, service, secret });
  const names = Object.keys(headers).sort().join(";");
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${id}/${date.slice(0, 8)}/${region}/${service}/aws4_request, ` +
    `SignedHeaders=${names}, Signature=${seed}`;
  return { path, headers, chain: () => new Chain(seed, { secret, region, service }) };
}

/** An event with sound. */
export const audio = (text) => message([stringHeader(":event-type", "AudioEvent"),
  stringHeader(":content-type", "application/octet-stream"), stringHeader(":message-type", "event")], Buffer.from(text));

/** Whole messages out of a stream of bytes. */
export class Frames {
  buffer = Buffer.alloc(0);
  *push(data) {
    this.buffer = Buffer.concat([this.buffer, data]);
    while (this.buffer.length >= 12 && this.buffer.length >= this.buffer.readUInt32BE(0)) {
      const size = this.buffer.readUInt32BE(0);
      yield this.buffer.subarray(0, size);
      this.buffer = this.buffer.subarray(size);
    }
  }
}
