"""An agent of LangChain that calls tools, over a tool that retrieves, against a running `jora serve`.

python -m venv .venv && .venv/bin/pip install langchain langchain-openai numpy
.venv/bin/python tooling/clients/agent.py http://127.0.0.1:8000/v1 ["question"]

The model's chat template must show tools; another is refused by name, which is told. Whether it calls the tool is the model's to say;
packages/serve/test/client.test.ts runs this script on a model that does, with --expect-call.
"""

import sys

from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import BadRequestError, OpenAI

arguments = [word for word in sys.argv[1:] if word != "--expect-call"]
expects_call = "--expect-call" in sys.argv
BASE = arguments[0] if arguments else "http://127.0.0.1:8000/v1"
QUESTION = arguments[1] if len(arguments) > 1 else "Who kept the lighthouse of Varn? Use the tool."
KEY = "none"
MODEL = OpenAI(base_url=BASE, api_key=KEY).models.list().data[-1].id

vectors = OpenAIEmbeddings(base_url=BASE, api_key=KEY, model=MODEL, check_embedding_ctx_length=False)
store = InMemoryVectorStore(vectors)
store.add_documents([Document("The lighthouse of Varn was kept by Ida Holm."), Document("Bread is made of flour and water.")])


@tool
def look_up(query: str = "The lighthouse of Varn was kept by") -> str:
    """Looks up what the notes say."""
    return store.similarity_search(query, k=1)[0].page_content


model = ChatOpenAI(base_url=BASE, api_key=KEY, model=MODEL, temperature=0, max_tokens=64, timeout=300)
agent = create_agent(model, [look_up], system_prompt="Answer from the notes.")


def of_messages(messages):
    calls = [call["name"] for message in messages for call in getattr(message, "tool_calls", [])]
    found = [message.content for message in messages if message.type == "tool"]
    if expects_call:
        assert calls and set(calls) == {"look_up"} and len(found) == len(calls), messages
        assert messages[-1].type == "ai" and found[-1].lower() in messages[-1].content.lower(), messages
    return f"calls {calls}, results {found}, answer {messages[-1].content[:80]!r}"


try:
    asked = {"messages": [{"role": "user", "content": QUESTION}]}
    print("ok  langchain: an agent:", of_messages(agent.invoke(asked)["messages"]), flush=True)
    *_, last = agent.stream(asked, stream_mode="values")
    print("ok  langchain: the same streamed:", of_messages(last["messages"]), flush=True)
except BadRequestError as refused:
    if expects_call or "tools" not in str(refused):
        raise
    print("ok  langchain: an agent, whose tools the template does not show:", refused.body["message"], flush=True)
