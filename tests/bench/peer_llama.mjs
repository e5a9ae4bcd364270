// The same prompt through llama.cpp (npm node-llama-cpp, prebuilt for this processor), for tests/bench/beside_llama.sh.
//   node peer_llama.mjs MODEL.gguf TEXT_FILE TOKENS THREADS      prints one JSON line
import fs from "node:fs";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const [modelPath, textPath, count, threads] = process.argv.slice(2);
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.disabled, maxThreads: Number(threads)});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({contextSize: 4096, batchSize: 512, threads: Number(threads)});
const sequence = context.getSequence();
const tokens = model.tokenize(fs.readFileSync(textPath, "utf8"));

// One short pass first: pages of the weights are touched, threads are started.
await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(0, 8));
await sequence.clearHistory();

const began = performance.now();
await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(0, -1));
const prefilled = performance.now();
let generated = 0;
for await (const _ of sequence.evaluate([tokens.at(-1)], {temperature: 0})) {
    if (++generated >= Number(count)) break;
}
const ended = performance.now();
console.log(JSON.stringify({
    engine: "llama.cpp " + (llama.llamaCppRelease?.release ?? ""), prompt_tokens: tokens.length, generated_tokens: generated,
    prefill_ms: prefilled - began, decode_ms: ended - prefilled
}));
process.exit(0);
