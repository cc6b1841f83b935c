"""Bring released versions to the endpoint, one at a time."""

from dataclasses import dataclass

from earshot_pipeline.endpoint import Endpoint, EndpointState, Step, decide
from earshot_pipeline.run import (
    Action,
    EndpointRequested,
    EndpointServes,
    Event,
    Failed,
    Overtaken,
    Run,
    RunState,
)
from earshot_pipeline.table import Table
from earshot_pipeline.version import Version

_DURING = frozenset({RunState.RELEASING})


@dataclass(frozen=True)
class Serving:
    """Serves versions.

    Attributes:
        table: the pipeline's table.
        endpoint: the endpoint.
    """

    table: Table
    endpoint: Endpoint

    def waiting(self) -> tuple[str, ...]:
        """Runs whose version is being released, lowest version first."""
        return self.table.versions_in(_DURING)

    def serve(self, run: str, now: float) -> tuple[Run, tuple[Action, ...]]:
        """Take the next step towards serving the run's version and tell the run what came of it."""
        found, demanded = self.table.demanded(run)
        if Action.UPDATE_ENDPOINT not in demanded or found.version is None:
            return found, demanded
        event = self._step(found, found.version, now)
        return (found, demanded) if event is None else self.table.advance(run, lambda _: event)

    def _step(self, run: Run, version: Version, now: float) -> Event | None:  # noqa: PLR0911 - one return a step
        endpoint = self.endpoint
        if endpoint.settings.mode == "none":
            return EndpointServes(now)
        endpoint.ensure_model(version, run.bundle)
        state = endpoint.state()
        match decide(state, version, run.endpoint_requested):
            case Step.CREATE:
                endpoint.create(version)
                return EndpointRequested(now)
            case Step.UPDATE:
                return EndpointRequested(now) if endpoint.update(version) else None
            case Step.SERVES:
                return EndpointServes(now)
            case Step.OVERTAKEN if state.serves is not None:
                return Overtaken(now, state.serves)
            case Step.ROLLED_BACK:
                endpoint.remove_version(version)
                return Failed(now, _DURING, _fault(endpoint.settings.name, version, state, "the old version serves on"))
            case Step.BROKEN:
                endpoint.remove_endpoint()
                if run.endpoint_requested:
                    endpoint.remove_version(version)
                    return Failed(now, _DURING, _fault(endpoint.settings.name, version, state, "it was deleted"))
        return None


def _fault(name: str, version: Version, state: EndpointState, consequence: str) -> str:
    reason = state.reason or "no reason given"
    return f"endpoint {name} did not take version {version}: {reason}; {consequence}, read the endpoint's log"
