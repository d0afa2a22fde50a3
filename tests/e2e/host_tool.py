"""Asks the host tool's own code what it thinks of an image: IMAGE BASE_IMAGE AGENT BASE VERSION.

Run by the tests with the Python in whose environment the host tool is installed,
and with HOME where its records are. Writes one JSON document.
"""

import json
import sys
from dataclasses import asdict
from types import SimpleNamespace

from aicage.docker.query import get_local_image_id
from aicage.registry.agent_build._plan import should_rebuild
from aicage.registry.agent_build._store import BuildStore

image, base_image, agent, base, version = sys.argv[1:]
record = BuildStore().load(agent, base)
# The only part of a whole configuration that the decision reads.
run_config = SimpleNamespace(selection=SimpleNamespace(agent_image_ref=image))
rebuild = should_rebuild(run_config=run_config, record=record, agent_version=version, base_image_ref=base_image)
answer = {
    "record": record and asdict(record),
    "image_id": get_local_image_id(image),
    "rebuild": rebuild,
}
print(json.dumps(answer))
