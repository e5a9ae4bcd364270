# The figures of mcp_bench.cc, by the Python SDK's client: python peer_mcp.py MCP_BENCH|URL [SECONDS]; or many MCP_BENCH COUNT
import asyncio
import contextlib
import json
import resource
import sys
import time

from mcp import Client, StdioServerParameters, stdio_client


def connect(target):
    return Client(target if target.startswith("http") else stdio_client(StdioServerParameters(command=target, args=["--serve"])))


def resident_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def cpu_us():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


async def many(target, count):
    before = resident_kb()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(count):
            client = await stack.enter_async_context(connect(target))
            await client.list_tools()
        print(json.dumps({"client": "python", "servers": count, "rss_kb": resident_kb(), "rss_kb_before": before}), flush=True)


async def measure(target, seconds):
    async with connect(target) as client:
        await client.list_tools()

        async def call():
            await client.call_tool("echo", {"say": "hello"})

        for _ in range(200):
            await call()
        trips = []
        spent, start = cpu_us(), time.perf_counter()
        while time.perf_counter() - start < seconds:
            before = time.perf_counter()
            await call()
            trips.append((time.perf_counter() - before) * 1e6)
        sequential = (cpu_us() - spent) / len(trips)
        trips.sort()
        calls = 0
        spent, start = cpu_us(), time.perf_counter()

        async def keep():
            nonlocal calls
            while time.perf_counter() - start < seconds:
                await call()
                calls += 1

        await asyncio.gather(*(keep() for _ in range(64)))
        took = time.perf_counter() - start
        figures = {"client": "python", "transport": "http" if target.startswith("http") else "stdio", "protocol": client.protocol_version}
        figures |= {"p50_us": trips[len(trips) // 2], "p99_us": trips[int(0.99 * (len(trips) - 1))], "cpu_us_sequential": sequential}
        print(json.dumps(figures | {"calls_per_s_64": calls / took, "cpu_us_64": (cpu_us() - spent) / calls}), flush=True)


words = sys.argv[1:]
asyncio.run(many(words[1], int(words[2])) if words[0] == "many" else measure(words[0], float(words[1]) if len(words) > 1 else 3))
