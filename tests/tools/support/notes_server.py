# An MCP server with one of everything, and with faults on purpose, for tests of the command line.
import json
import sys


def tool(name, properties=None, **more):
    return {"name": name, "description": name + " it", "inputSchema": {"type": "object", "properties": properties or {}}, **more}


NUMBER = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
TOOLS = [
    tool("keep", {"text": {"type": "string", "$ref": "https://example.com/text.json"}}),
    tool("lie", outputSchema=NUMBER),
    tool("forget", outputSchema=NUMBER),
    tool("count", outputSchema=NUMBER),
]
RESULTS = {"keep": None, "lie": {"number": "seven"}, "forget": None, "count": {"number": 7}}


def answer(method, params):
    if method == "initialize":
        capabilities = {"tools": {}, "resources": {}, "prompts": {}, "completions": {}}
        return {"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": {"name": "notes", "version": "3"}}
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        result = {"content": [{"type": "text", "text": "done"}]}
        if RESULTS[params["name"]] is not None:
            result["structuredContent"] = RESULTS[params["name"]]
        return result
    if method == "resources/list":
        return {"resources": [{"uri": "notes://today", "name": "today", "mimeType": "text/plain", "description": "What is noted."}]}
    if method == "resources/templates/list":
        return {"resourceTemplates": [{"uriTemplate": "notes://{day}", "name": "a day"}]}
    if method == "resources/read" and params["uri"] == "notes://today":
        return {"contents": [{"uri": "notes://today", "text": "Buy tea.\n"}]}
    if method == "resources/read" and params["uri"] == "notes://picture":
        return {"contents": [{"uri": "notes://picture", "mimeType": "image/png", "blob": "iVBORw=="}]}
    if method == "prompts/list":
        return {"prompts": [{"name": "plan", "description": "Plans.", "arguments": [{"name": "day", "required": True}, {"name": "mood"}]}]}
    if method == "prompts/get":
        text = "Plan " + params["arguments"]["day"] + "."
        return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}
    if method == "completion/complete":
        days = [day for day in ("monday", "tuesday", "thursday") if day.startswith(params["argument"]["value"])]
        return {"completion": {"values": days}}
    return None


for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or "method" not in message:
        continue
    reply = {"jsonrpc": "2.0", "id": message["id"]}
    result = answer(message["method"], message.get("params", {}))
    if result is None:
        reply["error"] = {"code": -32002 if message["method"] == "resources/read" else -32601, "message": "not found"}
    else:
        reply["result"] = result
    print(json.dumps(reply), flush=True)
