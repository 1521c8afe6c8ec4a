"""What routing an alert costs (its conditions alone, the whole transaction), and what delivering a message costs.

PostgreSQL with its default durability and all indexes, and alerts as they are posted. Measured by `routed`, in a
process of its own, because Django is set up for one database.
"""

import json
import subprocess
import sys

from tests.bench.installation import installation

Figure = tuple[str, float, str, str]


def run() -> list[Figure]:
    with installation() as house:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.routed"], env=house.env, check=True, stdout=subprocess.PIPE, text=True
        )
        return [tuple(figure) for figure in json.loads(done.stdout)]
