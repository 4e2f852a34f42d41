"""Runtimes that nobody has heard of: plausible GenAI attributes under names of their own, and sums wherever they like."""

from collections.abc import Callable

from scene import CUMULATIVE, DELTA, Node, Scene, Used, total

STRANGERS: dict[str, Callable[[Scene], None]] = {}


def stranger(name: str) -> Callable:
    def kept(build: Callable[[Scene], None]) -> Callable[[Scene], None]:
        STRANGERS[f"stranger: {name}"] = build
        return build

    return kept


def asks(scene: Scene, within: Node | None, said: dict | None = None) -> list[Used]:
    """Some calls as a stranger names them."""
    calls = []
    for _ in scene.some():
        calls.append(scene.used())
        scene.call("acme.ask", {**calls[-1].gen_ai(), **(said or {})}, within=within)
    return calls


@stranger("operations that nobody knows, a sum without a model on the root")
def unknown_operations(scene: Scene) -> None:
    root = scene.span("acme.run", {"gen_ai.operation.name": "run_crew"})
    calls = [call for _ in scene.some() for call in asks(scene, scene.span("acme.step", within=root), {"gen_ai.operation.name": "ask"})]
    root.said |= total(calls).gen_ai(model=False)


@stranger("no operation names at all")
def no_operations(scene: Scene) -> None:
    root = scene.span("acme.run")
    root.said |= total(asks(scene, root)).gen_ai(model=False)


@stranger("sums that name a model, on every level")
def sums_with_models(scene: Scene) -> None:
    root, calls = scene.span("acme.run"), []
    for _ in scene.some():
        step = scene.span("acme.step", within=root)
        own = asks(scene, step)
        step.said |= total(own).gen_ai()
        calls += own
    root.said |= total(calls).gen_ai()


@stranger("counts that are texts")
def text_counts(scene: Scene) -> None:
    root = scene.span("acme.run")
    for _ in scene.some():
        scene.call("acme.ask", {name: str(value) for name, value in scene.used().gen_ai().items()}, within=root)


@stranger("a summary beside the calls, without a model")
def summary(scene: Scene) -> None:
    root = scene.span("acme.run")
    calls = asks(scene, root, {"gen_ai.operation.name": "chat"})
    scene.call("acme.summary", total(calls).gen_ai(model=False), within=root)


@stranger("a summary beside several calls, with their model")
def summary_with_model(scene: Scene) -> None:
    root = scene.span("acme.run")
    calls = [*asks(scene, root, {"gen_ai.operation.name": "chat"}), *asks(scene, root, {"gen_ai.operation.name": "chat"})]
    scene.call("acme.summary", total(calls).gen_ai(), within=root)


@stranger("a chat that sums what lies below its tools and agents")
def chat_that_sums(scene: Scene) -> None:
    root, calls = scene.span("acme.chat"), []
    for _ in scene.some():
        tool = scene.span("execute_tool", {"gen_ai.operation.name": "execute_tool"}, within=root)
        agent = scene.span("invoke_agent helper", {"gen_ai.operation.name": "invoke_agent"}, within=tool)
        calls += asks(scene, agent, {"gen_ai.operation.name": "chat"})
    root.said |= total(calls).chat()


@stranger("usage in log records of chats alone")
def logs_of_chats(scene: Scene) -> None:
    for _ in scene.some():
        scene.log("acme.answered", scene.used().chat())
        scene.wait(2)


@stranger("usage in log records that name no operation")
def logs(scene: Scene) -> None:
    for _ in scene.some():
        scene.log("acme.answered", scene.used().gen_ai())
        scene.wait(2)


@stranger("usage in log records within spans that say nothing of it")
def logs_in_spans(scene: Scene) -> None:
    root = scene.span("acme.run", {"gen_ai.operation.name": "invoke_agent"})
    for _ in scene.some():
        span = scene.call("acme.ask", {"gen_ai.operation.name": "chat", "gen_ai.request.model": scene.model}, within=root)
        scene.log("acme.answered", scene.used().chat(), within=span)


@stranger("an event within a run that sums it up, with its model")
def summary_event(scene: Scene) -> None:
    root = scene.span("acme.run")
    calls = [*asks(scene, root, {"gen_ai.operation.name": "chat"}), *asks(scene, root, {"gen_ai.operation.name": "chat"})]
    scene.log("acme.finished", total(calls).gen_ai(), within=root)


@stranger("an event for each call beside its span, and both say the usage")
def events_beside_spans(scene: Scene) -> None:
    root = scene.span("acme.run")
    for _ in scene.some():
        call = scene.used()
        span = scene.call("acme.ask", call.gen_ai(), within=root)
        scene.log("acme.answered", call.gen_ai(), within=span if scene.chance.random() < 0.5 else None)
        scene.wait(3)


@stranger("usage in metrics alone")
def metrics(scene: Scene) -> None:
    scene.counts_calls = False
    temporality, histogram = scene.chance.choice((DELTA, CUMULATIVE)), scene.chance.random() < 0.5
    since, so_far = scene.now, Used(scene.model, 0, 0)
    for _ in scene.some():
        begun, scene.now, used = scene.now, scene.now + 60 * 10**9, scene.used(splits=False)
        so_far += used
        shown, start = (so_far, since) if temporality == CUMULATIVE else (used, begun)
        for kind, amount in (("input", shown.input), ("output", shown.output)):
            said = {"gen_ai.request.model": scene.model, "gen_ai.token.type": kind}
            scene.metric("gen_ai.client.token.usage", amount, said, since=start, temporality=temporality, histogram=histogram)


@stranger("usage in counters of the new conventions alone")
def counters(scene: Scene) -> None:
    scene.counts_calls = False
    for _ in scene.some():
        since, used = scene.now, scene.used()
        scene.wait(60)
        amounts = {"input_tokens": used.input, "output_tokens": used.output, "cache_read.input_tokens": used.cache_read}
        for name, amount in {**amounts, "reasoning.output_tokens": used.reasoning}.items():
            said = {"gen_ai.request.model": scene.model}
            scene.metric(f"gen_ai.client.inference.usage.{name}", amount, said, since=since, histogram=False)


@stranger("agents inside agents that report on themselves alone, sums included")
def nested_agents(scene: Scene) -> None:
    scene.counts_calls = False
    root, calls = scene.span("invoke_agent lead", {"gen_ai.operation.name": "invoke_agent"}), []
    for _ in scene.some():
        helper = scene.span("invoke_agent helper", {"gen_ai.operation.name": "invoke_agent"}, within=root)
        scene.call("execute_tool", {"gen_ai.operation.name": "execute_tool"}, within=helper)
        calls.append(used := scene.used())
        helper.said |= used.gen_ai()
    root.said |= total([*calls, scene.used()]).gen_ai()


@stranger("agents beside each other that report on themselves alone")
def agents_beside(scene: Scene) -> None:
    root = scene.span("acme.run")
    for _ in scene.some(2, 4):
        agent = scene.span("invoke_agent worker", {"gen_ai.operation.name": "invoke_agent"}, within=root)
        scene.call("execute_tool", {"gen_ai.operation.name": "execute_tool"}, within=agent)
        agent.said |= scene.used().gen_ai()


@stranger("usage repeated below a call, on a span that names no model")
def echo_below(scene: Scene) -> None:
    for _ in scene.some():
        call = scene.used()
        asked = scene.span("chat", call.chat())
        scene.call("acme.parse", call.gen_ai(model=False), within=asked)


@stranger("a call of its own around one of a library it uses")
def around_a_library(scene: Scene) -> None:
    for nth in scene.some():
        call, answered = scene.used(), {"gen_ai.response.id": f"chatcmpl-{scene.key}-{nth}"}
        outer = scene.span("acme.ask", call.gen_ai(splits=False))
        scene.call("chat", call.chat() | answered, within=outer, scope="opentelemetry.instrumentation.openai_v2")


@stranger("usage under the names of OpenInference")
def openinference(scene: Scene) -> None:
    root = scene.span("acme.run", {"openinference.span.kind": "AGENT"})
    for _ in scene.some():
        chain = scene.span("acme.chain", {"openinference.span.kind": "CHAIN"}, within=root)
        call = scene.used()
        chain.said |= {**call.openinference(), "openinference.span.kind": "CHAIN"}
        scene.call("acme.ask", call.openinference(), within=chain)
