"""The API's own pages, made of the OpenAPI document: no program of anybody else, so they work without the internet."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from elute_gateway.api.openapi import operations
from elute_gateway.api.problems import STATUSES, title_of
from elute_wire.errors import EluteError, NotFound, Recovery

router = APIRouter(include_in_schema=False)

_ADVICE = {
    Recovery.NEVER: "The same request will fail again: something must be changed first.",
    Recovery.RETRY: "The same request may succeed later, unchanged.",
    Recovery.RECONNECT: "The request may succeed once a connection, lease or snapshot has been made anew.",
    Recovery.QUARANTINE: "The rows at fault can be set aside; the others may go on.",
}

_STYLE = """
:root { --ink:#1c2430; --soft:#5c6675; --line:#e3e7ee; --paper:#fff; --shade:#f5f7fa; --accent:#0f6f6a;
  --get:#0f6f6a; --post:#2456b8; --put:#8a5a00; --delete:#b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink:#e6eaf0; --soft:#9aa5b5; --line:#2c3440; --paper:#12161c;
  --shade:#1a2028; --accent:#58c4bd; --get:#58c4bd; --post:#7ea6f4; --put:#e0b04c; --delete:#f2857d; } }
* { box-sizing:border-box }
body { margin:0; font:16px/1.55 system-ui,sans-serif; color:var(--ink); background:var(--paper) }
a { color:var(--accent); text-decoration:none } a:hover { text-decoration:underline }
.frame { display:grid; grid-template-columns:17rem minmax(0,1fr); max-width:84rem; margin:0 auto }
nav { position:sticky; top:0; height:100vh; overflow:auto; padding:2rem 1.25rem; border-right:1px solid var(--line) }
nav h2 { margin:1.4rem 0 .3rem; font-size:.78rem; letter-spacing:.06em; text-transform:uppercase; color:var(--soft) }
nav a { display:block; padding:.14rem 0; font-size:.9rem; color:var(--ink) }
.mark { font-size:1.3rem; font-weight:650; color:var(--accent) }
main { padding:2.4rem 3rem 6rem } main>h1 { margin:0 0 .4rem; font-size:2rem }
.lead { max-width:46rem; color:var(--soft) }
section>h2 { margin:3rem 0 .2rem; font-size:1.35rem } section>p { margin:.2rem 0 1rem; color:var(--soft) }
details { margin:.6rem 0; border:1px solid var(--line); border-radius:.6rem; background:var(--paper) }
summary { display:flex; gap:.8rem; align-items:baseline; padding:.65rem 1rem; cursor:pointer; list-style:none }
summary::-webkit-details-marker { display:none } details[open]>summary { border-bottom:1px solid var(--line) }
.method { flex:none; width:4.2rem; font:600 .78rem ui-monospace,monospace; color:var(--get) }
.POST { color:var(--post) } .PUT { color:var(--put) } .DELETE { color:var(--delete) }
.path { font:.92rem ui-monospace,monospace; overflow-wrap:anywhere } .what { margin-left:auto; color:var(--soft);
  font-size:.9rem; text-align:right }
.body { padding:.4rem 1.2rem 1.2rem } h4 { margin:1.2rem 0 .35rem; font-size:.82rem; color:var(--soft) }
pre { margin:0; padding:.8rem 1rem; overflow:auto; border-radius:.5rem; background:var(--shade);
  font:.84rem/1.5 ui-monospace,monospace }
code { padding:.08rem .3rem; border-radius:.3rem; background:var(--shade); font:.88em ui-monospace,monospace }
table { width:100%; border-collapse:collapse; font-size:.9rem } td,th { padding:.35rem .6rem .35rem 0;
  text-align:left; vertical-align:top; border-bottom:1px solid var(--line) } th { color:var(--soft); font-weight:500 }
@media (max-width:60rem) { .frame { display:block } nav { display:none } main { padding:1.5rem }
  .what { display:none } }
"""

_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; frame-ancestors 'none'; style-src 'sha256-{_STYLE_DIGEST}'",
    "Cache-Control": "no-cache",
}


@router.get("/")
@router.get("/docs")
async def show_documentation(request: Request) -> HTMLResponse:
    """Show every operation."""
    return HTMLResponse(api_page(request.app.openapi()), headers=_HEADERS)


@router.get("/problems/{code}")
async def show_problem(code: str) -> HTMLResponse:
    """Show what a kind of problem means.

    Raises:
        NotFound: There is no such kind.
    """
    kind = next((kind for kind in STATUSES if kind.code == code), None)
    if kind is None:
        raise NotFound("finding the kind of problem: there is none of that name", hint="they are listed at /docs")
    return HTMLResponse(_problem_page(kind), headers=_HEADERS)


def api_page(document: Mapping[str, Any]) -> str:
    """Write the page of an OpenAPI document."""
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {tag["name"]: [] for tag in document["tags"]}
    for method, path, operation in operations(document):
        by_tag[operation["tags"][0]].append((method, path, operation))
    links, sections = [], []
    for tag in document["tags"]:
        name = tag["name"]
        links.append(f"<h2>{escape(name)}</h2>")
        links += [f'<a href="#{op["operationId"]}">{_text(_short(op["summary"]))}</a>' for _, _, op in by_tag[name]]
        shown = "".join(_operation(method, path, op) for method, path, op in by_tag[name])
        sections.append(
            f'<section><h2 id="{escape(name)}">{escape(name)}</h2><p>{_text(tag["description"])}</p>{shown}</section>'
        )
    info = document["info"]
    body = (
        f'<nav><div class="mark">{escape(info["title"])} API</div><a href="/openapi.json">openapi.json</a>'
        f'{"".join(links)}<h2>problems</h2><a href="#problems">All kinds</a></nav>'
        f"<main><h1>{escape(info['title'])} API</h1><p class=lead>{_text(info['description'])}</p>"
        f"{''.join(sections)}{_problems()}</main>"
    )
    return _page(f"{info['title']} API", f"<div class=frame>{body}</div>")


def _page(title: str, body: str) -> str:
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<p>{_text(paragraph)}</p>" for paragraph in operation["description"].split("\n\n")]
    parameters = operation.get("parameters", [])
    if parameters:
        rows = "".join(_parameter(parameter) for parameter in parameters)
        parts.append(f"<h4>Parameters</h4><table>{rows}</table>")
    parts += [f"<h4>Request, {escape(kind)}</h4>{_shown(body)}" for kind, body in _contents(operation, "requestBody")]
    for status, response in operation["responses"].items():
        if "content" in response:
            heading = f"<h4>{status}: {_text(response['description'])}</h4>"
            parts += [heading + _shown(body) for body in response["content"].values()]
        elif "$ref" not in response:
            parts.append(f"<h4>{status}: {_text(response['description'])}</h4>")
    parts.append(f"<h4>Try it</h4><pre>{escape(_command(method, path, operation))}</pre>")
    return (
        f'<details id="{operation["operationId"]}"><summary><span class="method {method}">{method}</span>'
        f"<span class=path>{escape(path)}</span><span class=what>{_text(operation['summary'])}</span></summary>"
        f"<div class=body>{''.join(parts)}</div></details>"
    )


def _contents(operation: Mapping[str, Any], part: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from operation.get(part, {}).get("content", {}).items()


def _parameter(parameter: Mapping[str, Any]) -> str:
    needed = "required" if parameter.get("required") else f"default {json.dumps(parameter['schema'].get('default'))}"
    return (
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}</td>"
        f"<td>{_text(parameter.get('description', ''))}</td><td>{escape(needed)}</td></tr>"
    )


def _shown(body: Mapping[str, Any]) -> str:
    example = body.get("example")
    text = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
    return f"<pre>{escape(text)}</pre>"


def _command(method: str, path: str, operation: Mapping[str, Any]) -> str:
    lines = [f'curl -H "Authorization: Bearer $ELUTE_API_KEY" -X {method} "$ELUTE_URL{path}"']
    for kind, body in _contents(operation, "requestBody"):
        if kind == "application/json":
            lines.append(f"-H 'Content-Type: {kind}' -d '{json.dumps(body.get('example'), ensure_ascii=False)}'")
    return " \\\n  ".join(lines)


def _short(summary: str) -> str:
    return summary.partition(":")[0].partition(",")[0]


def _problems() -> str:
    rows = "".join(
        f'<tr><td><a href="/problems/{kind.code}"><code>{kind.code}</code></a></td><td>{status}</td>'
        f"<td>{_text(title_of(kind))}</td></tr>"
        for kind, status in STATUSES.items()
    )
    head = "<tr><th>code</th><th>status</th><th>meaning</th></tr>"
    return f'<section><h2 id="problems">Problems</h2><table>{head}{rows}</table></section>'


def _problem_page(kind: type[EluteError]) -> str:
    return _page(
        kind.code,
        f"<main><p><a href='/docs'>Elute API</a></p><h1>{kind.code}</h1><p class=lead>{_text(title_of(kind))}</p>"
        f"<p>HTTP status {STATUSES[kind]}. {_ADVICE[kind.recovery]}</p></main>",
    )


def _text(text: str) -> str:
    """Write a text whose `words in backticks` are code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if place % 2 else piece for place, piece in enumerate(pieces))
