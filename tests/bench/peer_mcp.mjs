// The figures of mcp_bench.cc, by the TypeScript SDK's client: node peer_mcp.mjs MCP_BENCH|URL [SECONDS]; or many MCP_BENCH COUNT
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const words = process.argv.slice(2);
const connect = async (target) => {
  const transport = target.startsWith("http") ? new StreamableHTTPClientTransport(new URL(target)) : new StdioClientTransport({ command: target, args: ["--serve"] });
  const client = new Client({ name: "peer", version: "1" });
  await client.connect(transport);
  await client.listTools();
  return client;
};
const cpu = () => process.cpuUsage().user + process.cpuUsage().system;

if (words[0] === "many") {
  const before = process.memoryUsage().rss;
  const clients = [];
  for (let i = 0; i < Number(words[2]); ++i) clients.push(await connect(words[1]));
  console.log(JSON.stringify({ client: "typescript", servers: clients.length, rss_kb: Math.round(process.memoryUsage().rss / 1024), rss_kb_before: Math.round(before / 1024) }));
  await Promise.all(clients.map((client) => client.close()));
} else {
  const [target, seconds = "3"] = words;
  const client = await connect(target);
  const call = () => client.callTool({ name: "echo", arguments: { say: "hello" } });
  for (let i = 0; i < 200; ++i) await call();
  const trips = [];
  let spent = cpu();
  let start = performance.now();
  while (performance.now() - start < seconds * 1000) {
    const before = performance.now();
    await call();
    trips.push((performance.now() - before) * 1000);
  }
  const sequential = (cpu() - spent) / trips.length;
  trips.sort((a, b) => a - b);
  const at = (share) => trips[Math.floor(share * (trips.length - 1))];
  let calls = 0;
  spent = cpu();
  start = performance.now();
  const keep = async () => {
    while (performance.now() - start < seconds * 1000) {
      await call();
      ++calls;
    }
  };
  await Promise.all(Array.from({ length: 64 }, keep));
  const took = (performance.now() - start) / 1000;
  console.log(JSON.stringify({ client: "typescript", transport: target.startsWith("http") ? "http" : "stdio", protocol: client.getNegotiatedProtocolVersion(), p50_us: at(0.5), p99_us: at(0.99), cpu_us_sequential: sequential, calls_per_s_64: calls / took, cpu_us_64: (cpu() - spent) / calls }));
  await client.close();
}
process.exit(0);
