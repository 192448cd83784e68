"""The model card (Mitchell et al. 2019, "Model Cards for Model Reporting"): what the model is for, what it is made of, how good it
is, where it is weak, and which rules were overridden. `card.json` is the data, `card.md` the same for people.
"""

from __future__ import annotations

from typing import Any


def render_card(card: dict[str, Any]) -> str:
    """`card.json` as Markdown."""
    data, model, quality = card["data"], card["model"], card["quality"]
    lines = [f"# Model card: {card['name']}", ""]
    if card["question"]:
        lines += [f"> {card['question']}", ""]
    lines += [
        f"- **Task**: {card['task']}; target `{data['target']}`"
        + (f", classes {_listed(data['classes'])}" if data["classes"] else ""),
        f"- **Model**: {model['learner']} on {model['features']} features; recipe `{model['recipe'][:19]}`",
        f"- **Parameters**: {_params(model['params'])}",
        f"- **Data**: version `{data['dataset'][:19]}`: {data['rows']['train']} training, {data['rows']['valid']} validation, "
        f"{data['rows']['test']} sealed test rows",
        f"- **Random seed**: {model['seed']}",
        f"- **Made for**: {_params(card['scope'])}",
        "",
        *_quantised(card.get("quantised")),
        "## Quality on validation rows",
        "",
        "These rows chose the model, so the figures are after selection. The sealed test figure is in the deployment.",
        "",
        "| metric | value | 95 % interval | baseline |",
        "|---|---|---|---|",
    ]
    for name, m in quality["validation"].items():
        lines.append(
            f"| {name} | {_n(m['value'])} | {_n(m['low'])} to {_n(m['high'])} | {_n(quality['baseline'].get(name))} |"
        )
    lines += ["", "## Gates", ""]
    lines += [f"- {'passed' if g['passed'] else '**failed**'}: {g['id']} ({g['why']})" for g in card["gates"]] or [
        "None declared."
    ]
    if card["overrides"]:
        lines += ["", "## Overrides", ""]
        lines += [f"- **{o['gate']}** overridden by {o['who']} on {o['at']}: {o['reason']}" for o in card["overrides"]]
    if card.get("decisions"):
        lines += ["", "## Decisions on the way to it", ""]
        lines += [_decision(decision) for decision in card["decisions"]]
    if card.get("personal"):
        lines += [
            "",
            "## Personal data",
            "",
            "Found or declared, and what becomes of it before anything else sees it.",
            "",
        ]
        lines += ["| column | what is done |", "|---|---|"]
        lines += [f"| `{p['column']}` | {' '.join(p['action'].split())} |" for p in card["personal"]]
    if quality["slices"]:
        lines += ["", "## Weakest slices", "", "| slice | rows | value |", "|---|---|---|"]
        lines += [f"| {s['slice']} | {s['rows']} | {_n(s['value'])} |" for s in quality["slices"][:10]]
    lines += ["", "## Inputs", "", "| column | kind | importance |", "|---|---|---|"]
    lines += [f"| `{c['name']}` | {c['kind']} | {_n(c['importance'])} |" for c in card["inputs"]]
    if card.get("fallbacks") or card.get("missing"):
        lines += ["", *_fallbacks(card)]
    if "costs" in card:
        lines += ["", *_costs(card["costs"])]
    lines += [
        "",
        "## What it knows about its limits",
        "",
        *(f"- {text}" for text in card["limits"]),
        "",
    ]
    return "\n".join(lines)


def _quantised(made: dict[str, Any] | None) -> list[str]:
    """Of a quantised model: what it was made from, and how far its answers lie from those of the exact graph."""
    if made is None:
        return []
    return [
        "## Quantised",
        "",
        f"Its weights are {made['form']}, made from version {made['of']['version']} (`{made['of']['bundle'][:19]}`). On validation rows its "
        f"answers differ from the exact ones by up to {_n(made['largest'])} ({_n(made['p99'])} in 99 of 100 rows), in probability or in "
        f"spreads of the target, and {made['changed']:.2%} of them are others. That largest difference is its tolerance: on another "
        "kind of processor its own examples may be answered as far away.",
        "",
    ]


def _decision(decision: dict[str, Any]) -> str:
    """One entry of the lab notebook as it was when the bundle was made."""
    text = " ".join(f"{decision['hypothesis']}".split())
    why = " ".join(decision["why"].split())
    return f"- **{decision['outcome']}** {decision['id']}: {text}" + (f" ({why})" if why else "")


def _fallbacks(card: dict[str, Any]) -> list[str]:
    """Which models answer instead, when, and how good they are on the same rows."""
    metric = card["quality"]["metric"]
    own = card["quality"]["validation"][metric]["value"]
    lines = ["## When another model answers", ""]
    for one in card.get("fallbacks", []):
        when = "it would be too late itself" if one["why"] == "late" else f"a row lacks {_listed(one['fields'])}"
        lines.append(f"- Where {when}: {one['learner']}, {metric} {_n(one['value'])} instead of {_n(own)}.")
    does = {"fill": "filled as in training", "refuse": "refused", "fallback": "answered by a model without it"}
    lines += [f"- A row without `{name}` is {does[policy]}." for name, policy in card.get("missing", {}).items()]
    return lines


def _costs(costs: dict[str, Any]) -> list[str]:
    """What the inputs of one prediction cost."""
    unit = f" {costs['unit']}" if costs["unit"] else ""
    lines = [f"One prediction costs {costs['total']:g}{unit} of inputs."]
    lines += [f"- `{name}`: {cost:g}{unit}" for name, cost in costs["columns"].items()]
    if costs["saved"]:
        lines.append(f"- Not asked for, because selection dropped them: {_listed(sorted(costs['saved']))}")
    return lines


def _n(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _listed(values: list[Any]) -> str:
    shown = ", ".join(f"`{v}`" for v in values[:12])
    return shown + (f" and {len(values) - 12} more" if len(values) > 12 else "")


def _params(params: dict[str, Any]) -> str:
    return ", ".join(f"{k} = {_n(v) if isinstance(v, float) else v}" for k, v in sorted(params.items())) or "defaults"
