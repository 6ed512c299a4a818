// What scripts/serve-check asks: node serve-check.mjs FOLDER_WITH_NODE_MODULES SECONDS, with ADDRESS and TOKEN in the environment.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, seconds] = process.argv.slice(2);
const require = createRequire(pathToFileURL(folder + "/"));
const { OpenAI } = await import(pathToFileURL(require.resolve("openai")).href);
const client = new OpenAI({ baseURL: process.env.ADDRESS, apiKey: process.env.TOKEN, maxRetries: 0 });
const names = (await client.models.list()).data.map((m) => m.id);
const model = names.find((n) => n.endsWith(":training")) ?? names[0];
const messages = [{ role: "user", content: "Write a claim for a kettle." }];
const asked = { model, messages, seed: 3, temperature: 0.8, max_tokens: 40 };

const whole = await client.chat.completions.create({ ...asked, n: 2, logprobs: true, top_logprobs: 3 });
assert.equal(whole.choices.length, 2);
assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
for (const choice of whole.choices) {
  assert.ok(["stop", "length"].includes(choice.finish_reason));
  const bytes = Buffer.from(choice.logprobs.content.flatMap((t) => t.bytes));
  assert.ok(choice.message.content.endsWith(bytes.toString("utf8")));
  assert.ok(choice.logprobs.content.every((t) => t.top_logprobs.length === 3 && t.logprob <= t.top_logprobs[0].logprob + 1e-6));
}
const again = await client.chat.completions.create(asked);
assert.equal(again.choices[0].message.content, whole.choices[0].message.content, "the same seed, another answer");

let text = "";
let usage = null;
for await (const chunk of await client.chat.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } })) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, whole.choices[0].message.content);
assert.ok(usage.completion_tokens > 0);
// The helper is stricter: it wants a role in the first piece and a reason in the last.
const helped = await client.chat.completions.stream(asked).finalChatCompletion();
assert.equal(helped.choices[0].message.content, text);

const completion = await client.completions.create({ model: names[0], prompt: "Once", max_tokens: 4, seed: 1 });
assert.equal(completion.object, "text_completion");

const fails = async (status, work) => assert.equal((await work().then(() => ({ status: 200 }), (e) => e)).status, status);
await fails(401, () => new OpenAI({ baseURL: process.env.ADDRESS, apiKey: "wrong", maxRetries: 0 }).models.list());
await fails(404, () => client.chat.completions.create({ ...asked, model: "no-such-model" }));
await fails(400, () => client.chat.completions.create({ ...asked, temperature: -1 }));
await fails(413, () => client.chat.completions.create({ ...asked, messages: [{ role: "user", content: "x".repeat(100e6) }] }).catch((e) => {
  // The server answers and closes while the client still sends; some versions of node tell the answer, some that the connection went.
  if (e.status === undefined) return Promise.reject({ status: 413 });
  throw e;
}));

// Clients that go in the middle of a stream.
for (let i = 0; i < 8; i++) {
  const stream = await client.chat.completions.create({ ...asked, max_tokens: 400, stream: true });
  for await (const _ of stream) break;
  stream.controller.abort();
}
const version = JSON.parse(readFileSync(folder + "/node_modules/openai/package.json", "utf8")).version;
console.log("openai " + version + ": answers, streams, log-probabilities and errors are as they have to be");

const end = Date.now() + 1000 * Number(seconds);
let [answers, tokens] = [0, 0];
const started = Date.now();
await Promise.all(
  Array.from({ length: 64 }, async (_, i) => {
    for (let round = 0; Date.now() < end; round++) {
      const answer = await client.chat.completions.create({ ...asked, messages: [{ role: "user", content: `Claim ${i} of ${round}` }], seed: i });
      assert.ok(answer.choices[0].finish_reason);
      answers++;
      tokens += answer.usage.completion_tokens;
    }
  }),
);
console.log(`64 clients for ${seconds} s: ${answers} answers, none lost, ${Math.round((1000 * tokens) / (Date.now() - started))} tokens/s`);
