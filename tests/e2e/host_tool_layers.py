"""Asks the host tool's own code what it thinks of a base and of an extended image: one JSON document as argument.

Run by the tests with the Python in whose environment the host tool is installed,
and with HOME where its records and the user's definitions are. Writes one JSON document.
"""

import json
import sys
from dataclasses import asdict
from types import SimpleNamespace

from aicage.config.extensions.loader import load_extensions
from aicage.registry.base_build import ensure as base_build
from aicage.registry.base_build._store import BuildStore as BaseStore
from aicage.registry.extension_build import ensure as extension_build
from aicage.registry.extension_build._store import BuildStore as ExtendedStore

asked = json.loads(sys.argv[1])
base, extended = asked["base"], asked["extended"]
extensions = load_extensions()
# The only parts of a whole configuration that the decision reads.
run_config = SimpleNamespace(
    selection=SimpleNamespace(
        image_ref=extended["image"],
        agent_image_ref=extended["final_image"],
        extensions=extended["extensions"],
    ),
    context=SimpleNamespace(extensions=extensions),
)
metadata = SimpleNamespace(from_image=base["from_image"])
chosen = [extensions[name] for name in extended["extensions"]]
base_record = BaseStore().load(base["name"])
extended_record = ExtendedStore().load(extended["image"])
answer = {
    "base": {
        "record": base_record and asdict(base_record),
        "rebuild": base_build.build_needed(base["name"], metadata, base["image"]),
    },
    "extended": {
        "record": extended_record and asdict(extended_record),
        "extension_hash": extension_build._combined_extension_hash(chosen),
        "rebuild": extension_build.build_needed(run_config),
    },
}
print(json.dumps(answer))
