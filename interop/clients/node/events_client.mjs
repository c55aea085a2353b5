// A transcription through the AWS SDK for JavaScript v3, over HTTP/2. Each piece of sound is sent only after the result of
// the one before has come. Arguments: endpoint, then the pieces; results as JSON on stdout.
import { TranscribeStreamingClient, StartStreamTranscriptionCommand } from "@aws-sdk/client-transcribe-streaming";

const [endpoint, ...pieces] = process.argv.slice(2);
const client = new TranscribeStreamingClient({ endpoint, maxAttempts: 1 });
const results = [];
let heard = () => {};
let failed = false;

async function* sound() {
  for (const piece of pieces) {
    const answered = new Promise((resolve) => (heard = resolve));
    yield { AudioEvent: { AudioChunk: Buffer.from(piece) } };
    await answered;
    if (failed) return;
  }
}

try {
  const answer = await client.send(new StartStreamTranscriptionCommand({
    LanguageCode: "en-US", MediaSampleRateHertz: 16000, MediaEncoding: "pcm", AudioStream: sound(),
  }));
  for await (const event of answer.TranscriptResultStream) {
    results.push(event.TranscriptEvent.Transcript.Results[0].ResultId);
    heard();
  }
  console.log(JSON.stringify({ ok: true, results }));
} catch (error) {
  failed = true;
  heard();
  console.log(JSON.stringify({ ok: false, results, error: `${error.name}: ${error.message}` }));
}
client.destroy();
process.exit(0);
