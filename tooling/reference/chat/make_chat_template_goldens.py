"""Renders chat templates with Python's Jinja, set up by transformers itself.

    pip install transformers==5.24.0 jinja2==3.1.6
    python3 tooling/reference/chat/make_chat_template_goldens.py                          writes the goldens
    python3 tooling/reference/chat/make_chat_template_goldens.py --show TEMPLATE NUMBER   prints one text

Writes packages/data/test/goldens/chat-templates.json, the templates of chat_templates.py for all its conversations, each
text as the start of its SHA-256, or the message after "!" where the template refuses; and jinja.json, the small templates
of jinja_cases.py with their texts.
"""
import datetime
import hashlib
import json
import os
import sys

from transformers.utils import chat_template_utils
from transformers.utils.chat_template_utils import _normalize_chat_messages, render_jinja_template

from chat_templates import CONVERSATIONS, TEMPLATES
from jinja_cases import VARIABLES, cases

NOW = datetime.datetime(2025, 3, 4, 5, 6, 7)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


class Clock(datetime.datetime):
    """Stands still, so that templates that tell the date give the same text tomorrow."""

    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = Clock


def render(source, conversation):
    messages, prompt, tools = conversation
    try:
        (text,), _ = render_jinja_template(
            conversations=[_normalize_chat_messages(messages)],
            tools=tools,
            chat_template=source,
            add_generation_prompt=prompt,
            **TOKENS,
        )
        return text
    except Exception as error:
        return f"!{error}"


def run(source):
    """A small template's text; None where Jinja or Python raises, whose words are not ours to repeat."""
    try:
        return chat_template_utils._compile_jinja_template(source).render(**VARIABLES)
    except Exception:
        return None


def digest(text):
    return text if text.startswith("!") else hashlib.sha256(text.encode()).hexdigest()[:12]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--show"]:
        print(render(TEMPLATES[sys.argv[2]], CONVERSATIONS[int(sys.argv[3])]))
        sys.exit()
    folder = os.path.join(os.path.dirname(__file__), "../../../packages/data/test/goldens")
    goldens = {
        "now": NOW.isoformat(),
        "tokens": TOKENS,
        "conversations": [
            {"messages": messages, "add_generation_prompt": prompt, "tools": tools}
            for messages, prompt, tools in CONVERSATIONS
        ],
        "templates": {
            name: {"source": source, "texts": [digest(render(source, c)) for c in CONVERSATIONS]}
            for name, source in TEMPLATES.items()
        },
    }
    small = {
        "now": NOW.isoformat(),
        "variables": VARIABLES,
        "cases": [[source, run(source)] for source in cases()],
    }
    for name, content in (("chat-templates", goldens), ("jinja", small)):
        with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1)
            file.write("\n")
    texts = [text for template in goldens["templates"].values() for text in template["texts"]]
    print(len(TEMPLATES), "templates,", len(CONVERSATIONS), "conversations,", sum(t.startswith("!") for t in texts), "refused;", len(small["cases"]), "small templates")
