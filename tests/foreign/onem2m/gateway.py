"""The public gateway `onem2m-mcp`, unchanged: it registers itself, and its tools are called over its own protocol.

Usage: gateway.py PORT; the gateway listens there. Prints "ok NAME" or "FAIL NAME why" for each tool.
"""

import asyncio
import json
import sys
import time

from mcp import Client

port = sys.argv[1]
failed = False


async def tried(session, name, arguments, holds, label=None, retries=0):
    global failed
    answer = None
    for _ in range(retries + 1):
        result = await session.call_tool(name, arguments)
        answer = result.structured_content or json.loads(result.content[0].text)
        answer = answer.get("result", answer) if set(answer) == {"result"} else answer
        if holds(answer):
            print(f"ok d2c-mcp-{label or name}")
            return answer
        await asyncio.sleep(0.2)
    print(f"FAIL d2c-mcp-{label or name} {json.dumps(answer)[:400]}")
    failed = True
    return answer


async def main():
    async with Client(f"http://127.0.0.1:{port}/mcp") as session:
        workspace = (await tried(session, "agent_identity", {}, lambda answer: answer["originator"] == "CmcpAgent"))["workspace"]
        await tried(session, "cse_info", {}, lambda answer: answer["rsc"] == 2000 and "m2m:cb" in answer["result"])
        await tried(session, "retrieve_resource", {"resource_id": workspace}, lambda answer: answer["result"]["m2m:ae"]["aei"] == "CmcpAgent")
        data = {"parent_id": workspace, "name": "temperature", "max_instances": 2}
        await tried(session, "create_container", data, lambda answer: answer["rsc"] == 2001)
        container = workspace + "/temperature"
        watched = await tried(session, "watch_resource", {"resource_id": container}, lambda answer: answer["rsc"] == 2001)
        for value in ("20", "21", "22"):
            content = {"container_id": container, "content": value}
            await tried(session, "add_content", content, lambda answer: answer["rsc"] == 2001, "add_content-" + value)
        await tried(session, "get_latest_content", {"container_id": container}, lambda answer: answer["result"]["m2m:cin"]["con"] == "22")
        await tried(session, "get_notifications", {}, lambda answer: "m2m:cin" in json.dumps(answer), retries=50)
        filters = {"resource_type": "container", "root": workspace}
        await tried(session, "discover_resources", filters, lambda answer: answer["result"]["m2m:uril"] == [container])
        await tried(session, "stop_watching", {"subscription_id": watched.get("subscription_id", "")}, lambda answer: answer["rsc"] == 2002)
        await tried(session, "register_ae", {"name": "other"}, lambda answer: answer["rsc"] == 2001)
        await tried(session, "semantic_query", {"sparql": "SELECT ?s WHERE { ?s ?p ?o }"}, lambda answer: answer["rsc"] >= 4000, "semantics-refused")
        await tried(session, "delete_resource", {"resource_id": container}, lambda answer: answer["rsc"] == 2002)


asyncio.run(main())
sys.exit(failed)
