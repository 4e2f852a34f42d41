"""The traps of telemetry.md 5: runs whose telemetry says the same tokens more than once, or says them wrongly."""

from collections.abc import Callable

from scene import CUMULATIVE, DELTA, SECOND, Node, Scene, Used, total

AGENT, TOOL = {"gen_ai.operation.name": "invoke_agent"}, {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
TRAPS: dict[str, Callable[[Scene], None]] = {}


def trap(name: str) -> Callable:
    def kept(build: Callable[[Scene], None]) -> Callable[[Scene], None]:
        TRAPS[name] = build
        return build

    return kept


def chats(scene: Scene, within: Node, scope: str = "acme", **more) -> list[Used]:
    """Some calls within a span, one after the other, with tools between them."""
    calls = []
    for _ in scene.some():
        calls.append(scene.used())
        scene.call("chat", calls[-1].chat(**more), within=within, scope=scope)
        if scene.chance.random() < 0.5:
            scene.call("execute_tool search", TOOL, within=within, scope=scope)
    return calls


def repeats(node: Node, calls: list[Used], **more) -> None:
    """Puts the sum of calls on a span, under the names of a call."""
    node.said |= total(calls).gen_ai(**more)


@trap("T1 an aggregate root under the names of its calls")
def aggregate_root(scene: Scene) -> None:
    root = scene.span("invoke_agent support", AGENT)
    calls = [call for _ in scene.some() for call in chats(scene, scene.span("step", within=root))]
    repeats(root, calls, model=scene.chance.random() < 0.5)


@trap("T2 aggregates inside aggregates")
def nested_aggregates(scene: Scene) -> None:
    root = scene.span("invoke_agent supervisor", AGENT)
    calls = chats(scene, root)
    for _ in scene.some():
        helper = scene.span("invoke_agent Explore", AGENT, within=scene.span("execute_tool runSubagent", TOOL, within=root))
        own = chats(scene, helper)
        repeats(helper, own)
        calls += own
    repeats(root, calls)


@trap("T3 an aggregate over the life of an agent")
def lifetime(scene: Scene) -> None:
    calls: list[Used] = []
    for _ in scene.some(2, 3):
        root = scene.span("invoke_agent bot", AGENT, scope="strands.telemetry.tracer")
        for _ in scene.some():
            cycle = scene.span("execute_event_loop_cycle", {"gen_ai.operation.name": "execute_event_loop_cycle"}, within=root)
            calls += chats(scene, cycle, "strands.telemetry.tracer")
        repeats(root, calls)


@trap("T4 wrappers that copy their call")
def copies(scene: Scene) -> None:
    for _ in scene.some():
        call = scene.used()
        said = scene.chance.choice([call.chat(), call.gen_ai(), call.gen_ai(model=False)])
        outer = scene.span("call_llm", said, within=scene.span("invocation"))
        scene.call("generate_content", {**call.gen_ai(), "gen_ai.operation.name": "generate_content"}, within=outer)


@trap("T5 stacked instrumentations, one inside the other")
def stacked(scene: Scene) -> None:
    root = scene.span("agent", {"openinference.span.kind": "AGENT"})
    for _ in scene.some():
        call = scene.used()
        outer = scene.span("ChatOpenAI", call.openinference(splits=False), within=root, scope="openinference.instrumentation.langchain")
        http = scene.span("POST", {"http.request.method": "POST"}, within=outer, scope="httpx")
        scene.call("ChatCompletion", call.chat(), within=http, scope="opentelemetry.instrumentation.openai_v2")


@trap("T5b stacked instrumentations beside each other or in traces of their own")
def twins(scene: Scene) -> None:
    root = scene.span("agent", {"openinference.span.kind": "AGENT"})
    beside = scene.chance.random() < 0.5
    parallel = scene.chance.random() < 0.5
    for _ in scene.some():
        call = scene.used()
        scene.span("ChatOpenAI", call.openinference(), within=root, scope="openinference.instrumentation.langchain", seconds=3)
        scene.wait(0.1)
        scene.span("chat", call.chat(splits=False), within=root if beside else None, scope="opentelemetry.openai", seconds=2.5)
        scene.wait(0.3 if parallel else 3.5)


@trap("T6 a client and its gateway")
def gateway(scene: Scene) -> None:
    joined = scene.chance.random() < 0.5
    for nth in scene.some():
        call, answered = scene.used(), {"gen_ai.response.id": f"chatcmpl-{scene.key}-{nth}"}
        client = scene.span("chat", call.chat(splits=False) | answered, within=scene.span("invoke_agent a", AGENT))
        within = scene.span("POST", within=client) if joined else None
        proxy = scene.span("Received Proxy Server Request", within=within, scope="litellm", process=f"{scene.process} gateway")
        scene.call("litellm_request", call.chat() | answered, within=proxy, scope="litellm", process=proxy.process)


@trap("T7 a wrapper that alone tells the truth")
def wrapper_only(scene: Scene) -> None:
    scene.counts_calls = False
    for _ in scene.some():
        root = scene.span("invoke_agent a", AGENT)
        scene.call("execute_tool search", TOOL, within=root)
        repeats(root, [scene.used()])
        scene.wait(1)


@trap("T7 a wrapper that alone tells the truth, around calls that tell parts of it")
def partial(scene: Scene) -> None:
    scene.counts_calls = False
    root = scene.span("invoke_agent a", AGENT, scope="logfire")
    repeats(root, [scene.used() for _ in scene.some()])
    for _ in scene.some():
        part = {"gen_ai.usage.partial.input_tokens": 5, "gen_ai.usage.partial.output_tokens": 1, "gen_ai.request.model": scene.model}
        scene.call("chat", {"gen_ai.operation.name": "chat", **part}, within=root, scope="logfire")


@trap("T8 a span, a log record and metrics for one call")
def signals(scene: Scene) -> None:
    since = scene.now
    calls = []
    root = scene.span("invoke_agent a", AGENT)
    for _ in scene.some():
        calls.append(call := scene.used())
        span = scene.call("chat", call.chat(splits=False), within=root)
        scene.log("gen_ai.client.inference.operation.details", call.chat(), within=span)
    tokens(scene, total(calls), since)


def tokens(scene: Scene, used: Used, since: int, temporality: int = DELTA) -> None:
    """The points of `gen_ai.client.token.usage` for some calls."""
    said = {"gen_ai.request.model": scene.model, "gen_ai.operation.name": "chat"}
    for kind, amount in (("input", used.input), ("output", used.output)):
        scene.metric("gen_ai.client.token.usage", amount, {**said, "gen_ai.token.type": kind}, since=since, temporality=temporality)


@trap("T8 a request of Claude Code in three signals")
def claude_code(scene: Scene) -> None:
    since, scope, session = scene.now, "com.anthropic.claude_code.tracing", {"session.id": scene.key}
    calls = []
    root = scene.span("claude_code.interaction", {"span.type": "interaction", **session}, scope=scope)
    for nth in scene.some():
        calls.append(call := scene.used(splits=False))
        said = {
            "model": call.model, "input_tokens": call.input - call.cache_read, "output_tokens": call.output,
            "cache_read_tokens": call.cache_read, "cache_creation_tokens": 0, "request_id": f"req_{scene.key}_{nth}", **session,
        }  # fmt: skip
        span = scene.call("claude_code.llm_request", {"span.type": "llm_request", **said}, within=root, scope=scope)
        texts = {name: str(value) for name, value in said.items()}
        scene.log(
            "api_request",
            {"event.name": "api_request", "event.sequence": nth, **texts},
            within=span,
            scope="com.anthropic.claude_code.events",
        )
    used = total(calls)
    amounts = {"input": used.input - used.cache_read, "output": used.output, "cacheRead": used.cache_read, "cacheCreation": 0}
    for kind, amount in amounts.items():
        said = {"type": kind, "model": scene.model, **session}
        scene.metric("claude_code.token.usage", amount, said, since=since, scope="com.anthropic.claude_code", histogram=False)


@trap("T9 metrics whose types contain each other, and nothing else")
def overlapping_metrics(scene: Scene) -> None:
    scene.counts_calls = False
    for _ in scene.some():
        since, used = scene.now, scene.used()
        scene.wait(60)
        kinds = {"total": used.input + used.output, "input": used.input, "cached_input": used.cache_read, "output": used.output}
        for kind, amount in {**kinds, "reasoning_output": used.reasoning}.items():
            said = {"token_type": kind, "model": scene.model}
            scene.metric("codex.turn.token_usage", amount, said, since=since, scope="codex_cli_rs")


@trap("T10 one number in several spellings")
def spellings(scene: Scene) -> None:
    for _ in scene.some():
        call = scene.used()
        also = {"gen_ai.usage.prompt_tokens": call.input, "gen_ai.usage.completion_tokens": call.output}
        also |= {"gen_ai.usage.cache_read_input_tokens": call.cache_read, "gen_ai.usage.details.reasoning_tokens": call.reasoning}
        scene.call("chat", call.chat() | also | {"gen_ai.usage.total_tokens": call.input + call.output})


@trap("T11 streams without usage")
def silent(scene: Scene) -> None:
    root = scene.span("invoke_agent a", AGENT)
    repeats(root, chats(scene, root))
    for _ in scene.some():
        scene.unknown += 1
        scene.call("chat", {"gen_ai.operation.name": "chat", "gen_ai.request.model": scene.model}, within=root)


@trap("T12 cumulative metrics, collected again and again, over a restart of their process")
def cumulative(scene: Scene) -> None:
    scene.counts_calls = False
    for _ in scene.some(1, 2):
        since, so_far = scene.now, Used(scene.model, 0, 0)
        for _ in scene.some(1, 4):
            scene.wait(60)
            if scene.chance.random() < 0.7:
                so_far += scene.used(splits=False)
            tokens(scene, so_far, since, CUMULATIVE)
        scene.wait(30)


@trap("T12 cumulative metrics beside spans")
def cumulative_and_spans(scene: Scene) -> None:
    since, calls = scene.now, []
    for _ in scene.some(1, 4):
        calls.append(scene.used())
        scene.call("chat", calls[-1].chat())
        scene.wait(30)
        tokens(scene, total(calls), since, CUMULATIVE)


@trap("T13 what nobody bills: a cache hit, a response fetched again, failed attempts")
def free(scene: Scene) -> None:
    call, answered = scene.used(), {"gen_ai.response.id": f"resp_{scene.key}"}
    root = scene.span("POST /v1/chat", scope="litellm")
    scene.call(
        "litellm_request", {"gen_ai.operation.name": "chat", "gen_ai.request.model": scene.model}, within=root, scope="litellm", failed=True
    )
    scene.call("litellm_request", call.chat() | answered, within=root, scope="litellm")
    scene.call("litellm_request", call.chat() | {"litellm.cache_hit": True}, within=root, scope="litellm")
    scene.call("fetch_response", {**call.gen_ai(), **answered, "gen_ai.operation.name": "fetch_response"}, within=root)


@trap("T14 counts that are texts")
def texts(scene: Scene) -> None:
    for _ in scene.some():
        scene.call("chat", {name: str(value) for name, value in scene.used().chat().items()})


@trap("T15 sampling that lost some of the calls below a sum")
def sampled(scene: Scene) -> None:
    root = scene.span("invoke_agent a", AGENT)
    seen = chats(scene, root)
    repeats(root, [*seen, *(scene.used(billed=False) for _ in scene.some())])


@trap("equal calls of one source at once")
def equal_calls(scene: Scene) -> None:
    root, call = scene.span("invoke_agent a", AGENT), scene.used()
    for nth in scene.some(1, 4):
        if nth:
            scene.bill.append(call)
        scene.span("chat", call.chat(), within=root, seconds=3)
        scene.now += SECOND // 10
    repeats(root, scene.bill)
