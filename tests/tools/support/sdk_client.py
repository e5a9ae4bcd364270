# Lists the tools of an MCP server and calls one, by the reference client for Python:
#   python sdk_client.py URL|COMMAND TOOL '{JSON}' [ARGUMENTS of the command...]
import asyncio
import json
import sys

from mcp import Client, StdioServerParameters, stdio_client


async def main(target, tool, given, *args):
    server = target if target.startswith("http") else stdio_client(StdioServerParameters(command=target, args=list(args)))
    async with Client(server) as client:
        listed = await client.list_tools()
        result = await client.call_tool(tool, json.loads(given))
    print(json.dumps({"tools": [tool.name for tool in listed.tools], "result": result.model_dump(by_alias=True, mode="json")}))


asyncio.run(main(*sys.argv[1:]))
