// A stream of events over HTTP/1.1, each after the answer to the one before. Arguments: endpoint, secret, access key id, region.
import { request } from "node:http";
import { audio, opened } from "./signed_events.mjs";

const [endpoint, secret, id, region] = process.argv.slice(2);
const { path, headers, chain: begun } = opened(endpoint, secret, id, region);
const chain = begun();
const later = [chain.sign(audio("one")), chain.sign(audio("two")), chain.sign(Buffer.alloc(0))];
const outcome = { status: null, answers: 0, ended: false };
const say = () => (console.log(JSON.stringify(outcome)), process.exit(0));
const asked = request(endpoint + path, { method: "POST", headers }, (answer) => {
  outcome.status = answer.statusCode;
  answer.on("data", () => {
    outcome.answers++;
    asked.write(later.shift());
    if (later.length === 0) asked.end();
  });
  answer.on("end", () => {
    outcome.ended = answer.complete;
    say();
  });
  answer.on("error", say);
});
asked.on("error", say);
asked.write(later.shift());
