// Lists the tools of an MCP server and calls one, by the reference client for TypeScript:
//   node sdk_client.mjs URL|COMMAND TOOL '{JSON}' [ARGUMENTS of the command...]
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const [target, tool, given, ...args] = process.argv.slice(2);
const transport = target.startsWith("http") ? new StreamableHTTPClientTransport(new URL(target)) : new StdioClientTransport({ command: target, args });
const client = new Client({ name: "reference", version: "1" });
await client.connect(transport);
const { tools } = await client.listTools();
const result = await client.callTool({ name: tool, arguments: JSON.parse(given) });
console.log(JSON.stringify({ tools: tools.map((one) => one.name), result }));
await client.close();
