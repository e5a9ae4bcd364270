# The figures of beside_mcp_sdks.sh, one JSON object a line, as a table (or, with 1 as argument, as one JSON
# document): medians, and behind each SDK's figure how many times ours it is.
import json
import statistics
import sys

FIGURES = [("p50_us", "p50 us"), ("p99_us", "p99 us"), ("cpu_us_sequential", "CPU us"), ("calls_per_s_64", "64: calls/s"), ("cpu_us_64", "64: CPU us")]
rounds, memory = {}, {}
for line in sys.stdin:
    figures = json.loads(line)
    if "servers" in figures:
        memory[figures["client"]] = figures["rss_kb"] / 1024
    else:
        rounds.setdefault(figures["transport"], {}).setdefault(figures["client"], []).append(figures)

medians = {
    transport: {client: {key: statistics.median(one[key] for one in all_rounds) for key, _ in FIGURES} | {"protocol": all_rounds[0]["protocol"], "rounds": len(all_rounds)} for client, all_rounds in clients.items()}
    for transport, clients in rounds.items()
}
if sys.argv[1:] == ["1"]:
    for clients in medians.values():
        for figures in clients.values():
            figures["times_tsukai"] = {key: figures[key] / clients["tsukai"][key] for key, _ in FIGURES}
    print(json.dumps({"calls": medians, "rss_mb_100_servers": memory}, indent=1))
    sys.exit()
for transport, clients in medians.items():
    print(f"{transport:12}" + "".join(f"{title:>20}" for _, title in FIGURES) + f"{'protocol':>12}")
    for client, figures in clients.items():
        cells = [f"{figures[key]:,.1f}" + ("" if client == "tsukai" else f" ({figures[key] / clients['tsukai'][key]:.2f}x)") for key, _ in FIGURES]
        print(f"{client:12}" + "".join(f"{cell:>20}" for cell in cells) + f"{figures['protocol']:>12}")
    print()
print("MB with 100 servers over stdio: " + ", ".join(f"{client} {megabytes:.0f}" for client, megabytes in memory.items()))
