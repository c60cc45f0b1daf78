"""What TensorBoard reads of the event files that a run leaves which was killed and resumed.

    pip install tensorboard; python tooling/reference/training/make_tensorboard_golden.py

reads packages/lora/test/goldens/tensorboard-files.json (written by packages/lora/test/logs.test.ts, with vitest -u) file after
file, as a run writes them, and writes tensorboard.json beside it: every scalar and text after each file. With a folder as its
argument, it prints what is read of that folder now.
"""
import base64
import hashlib
import json
import sys
import tempfile
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def read(events: EventAccumulator) -> dict:
    """Scalars as [step, value] and texts as [step, text], by tag."""
    events.Reload()
    found: dict = {}
    for tag in sorted(events.Tags()["tensors"]):
        of = []
        for event in events.Tensors(tag):
            proto = event.tensor_proto
            value = proto.string_val[0].decode() if proto.string_val else proto.float_val[0]
            of.append([event.step, value])
        found[tag] = of
    for tag in sorted(events.Tags()["scalars"]):
        found[tag] = [[event.step, event.value] for event in events.Scalars(tag)]
    return found


if len(sys.argv) > 1:
    print(json.dumps(read(EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0}))))
    sys.exit()

goldens = Path(__file__).parents[3] / "packages/lora/test/goldens"
source = (goldens / "tensorboard-files.json").read_bytes()
with tempfile.TemporaryDirectory() as folder:
    events = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0})
    after = []
    for name, data in json.loads(source).items():
        (Path(folder) / name).write_bytes(base64.b64decode(data))
        after.append(read(events))
target = goldens / "tensorboard.json"
target.write_text(json.dumps({"files": hashlib.sha256(source).hexdigest(), "after": after}, indent=1) + "\n")
print(target)
