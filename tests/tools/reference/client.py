"""Lists and calls every tool of a server with the Python SDK's client: client.py CALLS.json PROGRAM [ARGUMENT...]"""

import asyncio
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


def field(value, camel, snake):
    return getattr(value, snake, None) if hasattr(value, snake) else getattr(value, camel, None)


async def main() -> int:
    calls_file, program, *args = sys.argv[1:]
    calls = json.load(open(calls_file)).get(os.path.basename(program), {})
    wrong = 0
    server = StdioServerParameters(command=program, args=args, env=dict(os.environ))
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        tools = (await session.list_tools()).tools
        for tool in tools:
            result = await session.call_tool(tool.name, calls.get(tool.name, {}))
            failed = bool(field(result, "isError", "is_error"))
            text = result.content[0].text.split("\n")[0][:80] if result.content else ""
            print("error" if failed else "ok", f" {tool.name}: {text}")
            wrong += failed and tool.name in calls
        wrong += len(set(calls) - {tool.name for tool in tools})
    return 1 if wrong else 0


sys.exit(asyncio.run(main()))
