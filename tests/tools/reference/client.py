"""Lists and calls every tool of a server with the Python SDK's client, as clients.mjs does: client.py CALLS.json PROGRAM [ARGUMENT...]"""

import asyncio
import json
import os
import sys

from mcp import Client, StdioServerParameters, stdio_client


async def main() -> int:
    calls_file, program, *args = sys.argv[1:]
    with open(calls_file) as file:
        calls = json.load(file)[os.path.basename(program)]
    url = os.environ.get("REFERENCE_URL")
    server = url or stdio_client(StdioServerParameters(command=program, args=args, env=dict(os.environ)))
    wrong, said = 0, {}
    async with Client(server) as client:
        uncalled = {tool.name for tool in (await client.list_tools()).tools}
        for name, written in calls:
            given = {key: said[value[1:]] if str(value).startswith("$") else value for key, value in written.items()}
            answer = await client.call_tool(name, given)
            result = answer.model_dump(by_alias=True, mode="json")
            good = not result.get("isError") and result.get("structuredContent") is not None
            print("ok" if good else "FAILED", f" {name}: {result['content'][0]['text'].splitlines()[0][:80]}")
            wrong += not good
            said.update(result.get("structuredContent") or {})
            uncalled.discard(name)
    for name in uncalled:
        print(f"FAILED  {name} is never called")
    return 1 if wrong or uncalled else 0


sys.exit(asyncio.run(main()))
