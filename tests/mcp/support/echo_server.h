// A small MCP server in Python, to misbehave on purpose. Debian's python3 runs it; no package is needed.
#pragma once

#include <string>

#include "mcp/client.h"
#include "support/scratch_dir.h"

namespace tsukai::mcp {

inline constexpr const char* kEchoServer = R"python(
import json, sys, os, time
open(os.environ["PID_FILE"], "w").write(str(os.getpid()))
mode = sys.argv[1] if len(sys.argv) > 1 else ""
def send(message):
    twice = mode == "twice" and "method" not in message
    sys.stdout.write((json.dumps(dict(jsonrpc="2.0", **message)) + "\n") * (2 if twice else 1))
    sys.stdout.flush()
def text(s, **more):
    return dict(content=[dict(type="text", text=s)], **more)
if mode == "junk":
    print("Starting up ...\n{half a message\n[1,2,3]", flush=True)
if mode == "flood":
    sys.stderr.write("x" * 10_000_000 + "\nall of it\n")
if mode == "grandchild":
    pid = os.fork()
    if pid == 0:
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    open(os.environ["PID_FILE"] + ".grandchild", "w").write(str(pid))
tools = [dict(name=n, description=n + " it", inputSchema=dict(type="object")) for n in ["echo", "slow", "die", "fail", "ask"]]
for line in sys.stdin:
    m = json.loads(line)
    if "method" not in m:
        if m.get("id") == "question":
            send(dict(id=asked, result=text(json.dumps(m.get("result", m.get("error"))))))
        continue
    if "id" not in m:
        if m["method"] == "notifications/cancelled":
            sys.stderr.write("cancelled %s\n" % m["params"]["requestId"]); sys.stderr.flush()
        continue
    i, p = m["id"], m.get("params", {})
    if m["method"] == "initialize":
        send(dict(id=i, result=dict(protocolVersion=os.environ.get("VERSION", p["protocolVersion"]), capabilities={},
             serverInfo=dict(name="echo", version="7"), instructions="Echoes.")))
    elif m["method"] == "tools/list":
        at = int(p.get("cursor", "0"))
        r = dict(tools=tools[at:at + 2])
        if at + 2 < len(tools): r["nextCursor"] = str(at + 2)
        if mode == "same-cursor": r["nextCursor"] = "0"
        send(dict(id=i, result=r))
    elif m["method"] == "tools/call" and p["name"] == "echo":
        send(dict(id=i, result=text(p["arguments"].get("say", ""), structuredContent=p["arguments"])))
    elif m["method"] == "tools/call" and p["name"] == "slow":
        send(dict(method="notifications/progress", params=dict(progressToken=p["_meta"]["progressToken"], progress=1, total=2, message="half")))
    elif m["method"] == "tools/call" and p["name"] == "die":
        sys.stderr.write("Traceback: out of cheese\n"); sys.stderr.flush(); os._exit(4)
    elif m["method"] == "tools/call" and p["name"] == "fail":
        send(dict(id=i, result=text("no such street", isError=True)))
    elif m["method"] == "tools/call" and p["name"] == "ask":
        asked = i
        send(dict(id="question", method=p["arguments"]["method"]))
    elif m["method"] == "tools/call":
        send(dict(id=i, error=dict(code=-32602, message="Unknown tool: " + p["name"])))
    elif m["method"] == "ping":
        send(dict(id=i, result={}))
    else:
        send(dict(id=i, error=dict(code=-32601, message="Method not found")))
if mode == "deaf":
    time.sleep(600)
)python";

// A folder with the server in it, and the configuration that starts it in one of its moods.
struct EchoServer {
  explicit EchoServer(std::string mode = {}) {
    config.name = "echo";
    config.command = "python3";
    config.args = {dir.write("server.py", kEchoServer), std::move(mode)};
    config.env["PID_FILE"] = dir / "pid";
    config.call_timeout = std::chrono::milliseconds(5000);
  }
  int pid(const std::string& suffix = {}) const { return std::stoi("0" + read_file(dir / ("pid" + suffix))); }

  ScratchDir dir;
  ServerConfig config;
};

}  // namespace tsukai::mcp
