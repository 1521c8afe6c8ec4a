"""The sensor of one node: leases action runs and tells their results, each until it is taken."""

import asyncio
from typing import Any

from tests.chaos.client import Client, NoAnswer
from tests.chaos.scene import NODE

KIND = "kill_process"
POLL_SECONDS = 5.0


class Node:
    """Runs nothing: every run is a dry run, and the result says so."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.told: dict[str, str] = {}
        """The runs whose result was taken, and the state that was told."""
        self.refused = 0
        """Results that came too late: the run had been handed out again."""
        self.wrong: list[str] = []
        """Runs that ask for more than was allowed."""

    async def run(self) -> None:
        """Until it is cancelled."""
        hello = {"hostname": NODE, "actions": [KIND], "boot_id": "one"}
        while await self._say("/api/v1/sensors/hello", hello) is None:
            await asyncio.sleep(0.5)
        while True:
            wanted = {"hostname": NODE, "kinds": [KIND], "wait": POLL_SECONDS}
            answer = await self._say("/api/v1/actions/lease", wanted)
            if answer is None:
                await asyncio.sleep(0.5)
                continue
            for run in answer["runs"]:
                if run["mode"] != "dry_run":
                    self.wrong.append(str(run))
                await self._tell(run)

    async def end(self, task: "asyncio.Task[None]") -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._client.close()

    async def _tell(self, run: dict[str, Any]) -> None:
        result = {"lease": run["lease"], "state": "would_have", "reason": "dry run"}
        refused = self.refused
        while await self._say(f"/api/v1/actions/{run['id']}/result", result) is None and self.refused == refused:
            await asyncio.sleep(0.5)
        if self.refused == refused:
            self.told[run["id"]] = result["state"]

    async def _say(self, path: str, data: dict[str, Any]) -> dict[str, Any] | None:
        """The answer, or None where there was none worth having."""
        try:
            answer = await self._client.post(path, data)
        except NoAnswer:
            return None
        if answer.status == 409:
            self.refused += 1
        return answer.json() if answer.status == 200 else None
