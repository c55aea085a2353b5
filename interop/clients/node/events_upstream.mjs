// An AWS of streams: checks signatures by its own code, answers at once, echoes each event, and says on stdout, a JSON
// line for each request, what it got and how that ended. Arguments: secret key, then, for TLS, key and certificate files.
import { createServer, createSecureServer } from "node:http2";
import { readFileSync } from "node:fs";
import { Chain, Frames, message, requestSignature, stringHeader } from "./signed_events.mjs";

const [secret, keyFile, certificateFile] = process.argv.slice(2);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const server = keyFile
  ? createSecureServer({ key: readFileSync(keyFile), cert: readFileSync(certificateFile) })
  : createServer();

const echo = (payload) => {
  // The event's own payload, behind its prelude and headers.
  const text = payload.subarray(12 + payload.readUInt32BE(4), payload.length - 4).toString();
  const body = JSON.stringify({ Transcript: { Results: [{ ResultId: text.slice(0, 40), EndTime: text.length }] } });
  return message([stringHeader(":event-type", "TranscriptEvent"), stringHeader(":content-type", "application/json"),
    stringHeader(":message-type", "event")], Buffer.from(body));
};

server.on("stream", (stream, headers) => {
  const got = { path: headers[":path"], headers, events: 0, bytes: 0, error: null, final: false, ended: false };
  const [, credential, names, signature] =
    /Credential=(\S+), SignedHeaders=(\S+), Signature=(\w+)/.exec(headers.authorization) ?? [];
  const [, , region, service] = (credential ?? "").split("/");
  const value = (name) => (name === "host" ? headers[":authority"] : headers[name]);
  const signed = Object.fromEntries((names ?? "").split(";").map((name) => [name, value(name)]));
  const expected = requestSignature({
    method: headers[":method"], path: headers[":path"], headers: signed, stampText: headers["x-amz-date"], region, service, secret,
  });
  if (expected !== signature) got.error = "signature of the request";
  const chain = new Chain(signature, { secret, region, service });
  const frames = new Frames();
  stream.on("error", () => {});
  stream.respond({ ":status": 200, "content-type": "application/vnd.amazon.eventstream", "x-amzn-request-id": "upstream-1" });
  stream.on("data", (data) => {
    try {
      for (const frame of frames.push(data)) {
        if (got.final) throw new Error("an event after the last");
        const payload = chain.check(frame);
        if (payload.length === 0) got.final = true;
        else {
          got.events++;
          got.bytes += payload.length;
          stream.write(echo(payload));
        }
      }
    } catch (error) {
      got.error ??= error.message;
    }
  });
  stream.on("end", () => {
    got.ended = !stream.aborted && stream.rstCode === 0;
    stream.end();
  });
  stream.on("close", () => say({ ...got, ended: got.ended && !stream.aborted }));
});
server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
