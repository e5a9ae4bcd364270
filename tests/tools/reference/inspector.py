"""Lists and calls every tool of a server with the Inspector's command line, a process a call, as clients.mjs does:
inspector.py NODE INSPECTOR CALLS.json PROGRAM [ARGUMENT...]"""

import json
import os
import subprocess
import sys


def main() -> int:
    node, inspector, calls_file, program, *args = sys.argv[1:]
    with open(calls_file) as file:
        calls = json.load(file)[os.path.basename(program)]
    url = os.environ.get("REFERENCE_URL")
    target = [url, "--transport", "http"] if url else [program, *args]

    def ask(*words: str):
        done = subprocess.run([node, inspector, "--cli", *target, *words], capture_output=True, text=True)
        return json.loads(done.stdout) if done.returncode == 0 else {"failure": (done.stderr or done.stdout).strip()}

    listed = ask("--method", "tools/list")
    if "failure" in listed:
        print("FAILED  tools/list:", listed["failure"])
        return 1
    uncalled, wrong, said = {tool["name"] for tool in listed["tools"]}, 0, {}
    for name, written in calls:
        given = {key: said[value[1:]] if str(value).startswith("$") else value for key, value in written.items()}
        result = ask("--method", "tools/call", "--tool-name", name, "--tool-args-json", json.dumps(given))
        good = "failure" not in result and not result.get("isError") and "structuredContent" in result
        text = result["content"][0]["text"] if result.get("content") else result.get("failure", "no content")
        print("ok" if good else "FAILED", f" {name}: {text.splitlines()[0][:80]}")
        wrong += not good
        said.update(result.get("structuredContent") or {})
        uncalled.discard(name)
    for name in uncalled:
        print(f"FAILED  {name} is never called")
    return 1 if wrong or uncalled else 0


sys.exit(main())
