// Lists and calls every tool of a server with the TypeScript SDK's client over standard input and output, then
// over Streamable HTTP when a URL is given.   node clients.mjs CALLS.json PROGRAM [ARGUMENT...]
// Prints one line a tool; exits with 1 when a call fails that has arguments in CALLS.json.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [callsFile, program, ...args] = process.argv.slice(2);
const calls = JSON.parse(readFileSync(callsFile, "utf8"))[basename(program)] ?? {};
const url = process.env.REFERENCE_URL;
const client = new Client({ name: "reference", version: "1" });
await client.connect(url ? new StreamableHTTPClientTransport(new URL(url)) : new StdioClientTransport({ command: program, args, env: process.env }));
let wrong = 0;
const { tools } = await client.listTools();
for (const tool of tools) {
  // The client validates structuredContent against outputSchema by itself.
  const result = await client.callTool({ name: tool.name, arguments: calls[tool.name] ?? {} });
  const text = (result.content?.[0]?.text ?? "").split("\n")[0].slice(0, 80);
  console.log(`${result.isError ? "error" : "ok"}  ${tool.name}: ${text}`);
  if (tool.name in calls && result.isError) wrong++;
}
for (const name of Object.keys(calls)) if (!tools.some((tool) => tool.name === name)) wrong++, console.log(`missing  ${name}`);
await client.close();
process.exit(wrong ? 1 : 0);
