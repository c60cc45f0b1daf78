"""Python clients of OpenAI's API against a running `jora serve`: openai, langchain-openai, litellm.

python -m venv .venv && .venv/bin/pip install openai langchain-openai litellm numpy
jora serve --model MODEL --port 8000 &
.venv/bin/python tooling/clients/clients.py http://127.0.0.1:8000/v1

Each check prints a line; the first that fails ends the script with its error. The model should be one that chats, such as SmolLM2.
"""

import math
import sys

import litellm
import openai
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

BASE = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/v1"
KEY = "none"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
client = openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0, timeout=300)
MODEL = client.models.list().data[-1].id


def told(what, seen):
    print(f"ok  {what}: {str(seen)[:100]!r}", flush=True)


def with_openai():
    asked = dict(model=MODEL, messages=QUESTION, temperature=0, max_completion_tokens=16)
    whole = client.chat.completions.create(**asked)
    said = whole.choices[0].message.content
    assert whole.usage.completion_tokens > 0 and whole.choices[0].finish_reason in ("stop", "length")
    told("openai: chat", said)

    stream = client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == said
    assert chunks[-1].usage == whole.usage
    told("openai: the same streamed, with usage", chunks[-1].usage.total_tokens)

    likely = client.chat.completions.create(**asked, logprobs=True, top_logprobs=3).choices[0].logprobs.content
    assert "".join(token.token for token in likely) == said
    assert all(token.logprob == token.top_logprobs[0].logprob <= 0 for token in likely)
    told("openai: log probabilities", [round(token.logprob, 2) for token in likely[:4]])

    several = client.chat.completions.create(**{**asked, "temperature": 1}, n=3, seed=7)
    again = client.chat.completions.create(**{**asked, "temperature": 1}, n=3, seed=7)
    texts = [choice.message.content for choice in several.choices]
    assert texts == [choice.message.content for choice in again.choices] and len(set(texts)) > 1
    told("openai: n and seed", texts)

    stopped = client.chat.completions.create(**asked, stop=[" France"])
    assert stopped.choices[0].message.content == said.split(" France")[0] and stopped.choices[0].finish_reason == "stop"
    told("openai: stop", stopped.choices[0].message.content)

    text = client.completions.create(model=MODEL, prompt=["Paris is", "One, two,"], max_tokens=4, temperature=0, logprobs=2)
    assert [choice.index for choice in text.choices] == [0, 1]
    assert len(text.choices[0].logprobs.tokens) == 4
    told("openai: completions", [choice.text for choice in text.choices])

    vectors = client.embeddings.create(model=MODEL, input=["a cat", "a dog"]).data
    assert all(abs(math.hypot(*vector.embedding) - 1) < 1e-3 for vector in vectors)
    told("openai: embeddings", len(vectors[0].embedding))

    for error, body in [
        (openai.NotFoundError, {**asked, "model": "gpt"}),
        (openai.BadRequestError, {**asked, "temperature": 9}),
        (openai.BadRequestError, {**asked, "messages": []}),
    ]:
        try:
            client.chat.completions.create(**body)
            raise AssertionError(f"expected {error.__name__}")
        except error as refused:
            told(f"openai: {error.__name__}", refused.body["message"])


def with_tools():
    """A call, where the model makes one; a refusal by name, where its chat template shows no tools."""
    asked = [{"role": "user", "content": "What is the weather in Oslo? Use the tool."}]
    try:
        message = client.chat.completions.create(
            model=MODEL, messages=asked, tools=[WEATHER], temperature=0, max_tokens=64
        ).choices[0].message
        calls = [(call.function.name, call.function.arguments) for call in message.tool_calls or []]
        told("openai: tools", calls or message.content)
    except openai.BadRequestError as refused:
        assert "tools" in refused.body["message"]
        told("openai: tools, which the template does not show", refused.body["message"])


def with_langchain():
    model = ChatOpenAI(base_url=BASE, api_key=KEY, model=MODEL, temperature=0, max_tokens=24, timeout=300)
    vectors = OpenAIEmbeddings(base_url=BASE, api_key=KEY, model=MODEL, check_embedding_ctx_length=False)
    store = InMemoryVectorStore(vectors)
    store.add_documents(
        [
            Document("The lighthouse of Varn was kept by Ida Holm."),
            Document("Bread is made of flour, water, salt and yeast."),
            Document("The river Ost freezes in January."),
        ]
    )
    prompt = ChatPromptTemplate.from_template("Answer from the text.\n{context}\nQuestion: {question}")
    retrieved = store.as_retriever(search_kwargs={"k": 2}) | RunnableLambda(
        lambda found: "\n".join(document.page_content for document in found)
    )
    chain = {"context": retrieved, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()
    question = "Who kept the lighthouse of Varn?"
    whole = chain.invoke(question)
    pieces = list(chain.stream(question))
    assert "".join(pieces) == whole and len(pieces) > 2
    told("langchain: a chain with retrieval, streamed", whole)
    told("langchain: batch", [said.content for said in model.batch(["Say yes.", "Say no.", "Count to 3."])])

    # The oldest kind of agent: thoughts, actions and observations are text, ended by a stop.
    def look_up(words):
        return "\n".join(document.page_content for document in store.similarity_search(words, k=1))

    scratch = f"Question: {question}\nThought: I look it up.\nAction: look_up\nAction Input:"
    for _ in range(2):
        said = model.bind(stop=["\nObservation:"]).invoke(scratch).content
        assert "Observation:" not in said
        scratch += f" {said}\nObservation: {look_up(said or question)}\nThought:"
    told("langchain: an agent's loop with a tool of text", said)


def with_litellm():
    asked = dict(model=f"openai/{MODEL}", api_base=BASE, api_key=KEY, messages=QUESTION, temperature=0, max_tokens=12)
    whole = litellm.completion(**asked)
    pieces = [chunk.choices[0].delta.content or "" for chunk in litellm.completion(**asked, stream=True)]
    assert "".join(pieces) == whole.choices[0].message.content
    told("litellm: chat, whole and streamed", "".join(pieces))


with_openai()
with_tools()
with_langchain()
with_litellm()
