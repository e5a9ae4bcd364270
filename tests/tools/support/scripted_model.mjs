// Stands in for a remote model: an OpenAI-compatible endpoint that makes the calls of a script, one a step, then says "Done."
//   node scripted_model.mjs SCRIPT.json        [["server__tool", {arguments}], ...]; prints its base URL
import { createServer } from "node:http";
import { readFileSync } from "node:fs";

const script = JSON.parse(readFileSync(process.argv[2], "utf8"));
const server = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  const done = JSON.parse(body).messages.filter((message) => message.role === "tool").length;
  response.writeHead(200, { "content-type": "text/event-stream" });
  const say = (delta, finish_reason) => response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
  if (done < script.length) {
    const [name, args] = script[done];
    say({ role: "assistant", tool_calls: [{ index: 0, id: `call_${done}`, type: "function", function: { name, arguments: JSON.stringify(args) } }] }, null);
    say({}, "tool_calls");
  } else {
    say({ role: "assistant", content: "Done." }, null);
    say({}, "stop");
  }
  response.end("data: [DONE]\n\n");
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/v1`));
