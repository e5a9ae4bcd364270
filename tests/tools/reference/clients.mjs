// Lists and calls every tool of a server with a client of the TypeScript SDK, over Streamable HTTP when $REFERENCE_URL is
// given, else over standard input and output.   node clients.mjs 1|2 CALLS.json PROGRAM [ARGUMENT...]
// 1 is the SDK of the revisions up to 2025-11-25, 2 that of 2026-07-28. In the calls "$name" stands for that member of the
// last answer that had one. Prints one line a call; exits with 1 when one fails or a tool is listed but never called.
import { readFileSync } from "node:fs";
import { basename } from "node:path";

const [sdk, callsFile, program, ...args] = process.argv.slice(2);
const from = (one, two) => import(sdk === "1" ? `@modelcontextprotocol/sdk/client/${one}.js` : `@modelcontextprotocol/client${two}`);
const { Client } = await from("index", "");
const { StdioClientTransport } = await from("stdio", "/stdio");
const { StreamableHTTPClientTransport } = await from("streamableHttp", "");

const url = process.env.REFERENCE_URL;
const client = new Client({ name: "reference", version: "1" });
await client.connect(url ? new StreamableHTTPClientTransport(new URL(url)) : new StdioClientTransport({ command: program, args, env: process.env }));
const { tools } = await client.listTools();
const uncalled = new Set(tools.map((tool) => tool.name));
const said = {};
let wrong = 0;
for (const [name, written] of JSON.parse(readFileSync(callsFile, "utf8"))[basename(program)]) {
  const given = Object.entries(written).map(([key, value]) => [key, `${value}`.startsWith("$") ? said[value.slice(1)] : value]);
  // The client validates structuredContent against outputSchema by itself.
  const result = await client.callTool({ name, arguments: Object.fromEntries(given) });
  const good = !result.isError && result.structuredContent !== undefined;
  console.log(`${good ? "ok" : "FAILED"}  ${name}: ${(result.content?.[0]?.text ?? "").split("\n")[0].slice(0, 80)}`);
  if (!good) wrong++;
  Object.assign(said, result.structuredContent);
  uncalled.delete(name);
}
for (const name of uncalled) console.log(`FAILED  ${name} is never called`);
await client.close();
process.exit(wrong || uncalled.size ? 1 : 0);
