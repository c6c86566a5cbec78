// A stemline client: stems of a song as 16-bit WAV files, or its beats.
"use strict";

const { once } = require("node:events");
const fs = require("node:fs");
const path = require("node:path");
const { parseArgs } = require("node:util");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const PROTOS = path.join(__dirname, "../../serving/protos");
const PART_BYTES = 512 * 1024; // of audio in one message
const USAGE =
  "usage: node client.js HOST:PORT SONG [OUT] [--model NAME] [--ca PEM] [--token-file FILE]\n" +
  "Without OUT, the folder of the stems, the beats are found.";

/** The service at an address, over TLS where an authority is named. */
function connect(address, ca) {
  const proto = protoLoader.loadSync("stemline/v1/stemline.proto", {
    includeDirs: [PROTOS],
    keepCase: true, // fields as the proto has them
    longs: Number,
    enums: String,
    oneofs: true, // message.response is the name of the field that it carries
  });
  const { StemlineService } = grpc.loadPackageDefinition(proto).stemline.v1;
  return new StemlineService(
    address,
    ca ? grpc.credentials.createSsl(fs.readFileSync(ca)) : grpc.credentials.createInsecure(),
  );
}

/** Send the config and then the file, waiting whenever the connection is full. */
async function upload(call, config, song) {
  call.write({ config });
  for await (const audio of fs.createReadStream(song, { highWaterMark: PART_BYTES })) {
    if (!call.write({ audio })) await once(call, "drain");
  }
  call.end();
}

/** Yield the responses while the song is uploaded; throw what ends either. */
async function* responses(call, config, song) {
  // An error of the call ends the reading below; one of the file ends the call.
  let failure;
  upload(call, config, song).catch((error) => {
    failure = error;
    call.cancel();
  });
  try {
    yield* call;
  } catch (error) {
    throw error.code === grpc.status.CANCELLED && failure ? failure : error;
  }
}

/** The 44 bytes before the samples of a WAV file. */
function wavHeader({ channels, sample_rate_hz }, nBytes) {
  const header = Buffer.alloc(44);
  header.write("RIFF");
  header.writeUInt32LE(36 + nBytes, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20); // PCM
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sample_rate_hz, 24);
  header.writeUInt32LE(sample_rate_hz * channels * 2, 28);
  header.writeUInt16LE(channels * 2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(nBytes, 40);
  return header;
}

/** Write a WAV file for each stem, as it comes. */
async function separate(call, model, song, out) {
  fs.mkdirSync(out, { recursive: true });
  const config = { model, input: { container: {} }, output: { pcm: { encoding: "PCM_ENCODING_S16LE" } } };
  const stems = new Map(); // name → its file and how many bytes of samples it has
  let accepted;
  for await (const message of responses(call, config, song)) {
    if (message.response === "accepted") {
      accepted = message.accepted;
      for (const name of accepted.stems) {
        const file = fs.openSync(path.join(out, `${name}.wav`), "w");
        fs.writeSync(file, wavHeader(accepted, 0)); // the length follows at the end
        stems.set(name, { file, nBytes: 0 });
      }
    } else if (message.response === "stem_block") {
      const stem = stems.get(message.stem_block.stem);
      stem.nBytes += fs.writeSync(stem.file, message.stem_block.data);
    } else if (message.response === "summary") {
      console.log(`${[...stems.keys()].join(", ")}: ${message.summary.n_samples} samples each`);
    }
  }
  for (const { file, nBytes } of stems.values()) {
    fs.writeSync(file, wavHeader(accepted, nBytes), 0, 44, 0);
    fs.closeSync(file);
  }
}

/** Print tempo and beats. */
async function findBeats(call, song) {
  for await (const message of responses(call, { input: { container: {} } }, song)) {
    if (message.response !== "result") continue;
    console.log(`${message.result.tempo.bpm.toFixed(1)} bpm`);
    for (const beat of message.result.beats) console.log(`${beat.time_s.toFixed(2)} ${beat.position}`);
  }
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { model: { type: "string" }, ca: { type: "string" }, "token-file": { type: "string" } },
  });
  const [address, song, out] = positionals;
  if (!song) throw new Error(USAGE);
  const metadata = new grpc.Metadata();
  if (values["token-file"]) {
    metadata.set("authorization", `Bearer ${fs.readFileSync(values["token-file"], "utf8").trim()}`);
  }
  const client = connect(address, values.ca);
  if (out) await separate(client.Separate(metadata), values.model ?? "", song, out);
  else await findBeats(client.Beats(metadata), song);
  client.close();
}

main().catch((error) => {
  const status = grpc.status[error.code]; // undefined for what is no error of a call
  console.error(status ? `error: ${status}: ${error.details}` : `error: ${error.message}`);
  process.exit(1);
});
