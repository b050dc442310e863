"""The engine room, far away: what daemon, gateway and nodes say to each other.

An engine's commands and answers are those of process/wire.py, and a few more. They go as bytes, packed once: the
gateway passes them on and never reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from soundmill.engine.process.wire import Answer as EngineAnswer
from soundmill.engine.process.wire import Command as EngineCommand
from soundmill.engine.protocol import Event
from soundmill.engine.remote.numbered import Numbered
from soundmill.jobs import GenerationRequest

# -- the daemon and a node's engine ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitFar:
    """Start these. Their melody and continue_from are names in the node's store of contents: the content's hash and the
    file's own name, which goes into the clip's tags. `named` is what the user calls each of them."""

    requests: tuple[GenerationRequest, ...]
    named: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file that an engine asked for. `data` None: it is gone, or has changed, for the reason given."""

    name: str
    data: bytes | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """The node has no file of these names."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Died:
    """The engine process has ended; the clips that it had fail one by one after this."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Nothing more comes from this engine: its node, or the way to it, is gone. No job's fault."""

    reason: str


FarCommand = EngineCommand | SubmitFar | Content
FarEvent = EngineAnswer | Event | Wants | Died

# -- a call from the gateway to a node ---------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`session` names one engine from its start to its end; `heard` is the last event that arrived, `room_bytes` how
    much more may come, `wait_s` how long to wait for the first."""

    session: str
    heard: int
    commands: tuple[Numbered, ...]
    room_bytes: int
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    session: str
    heard: int  # the last command that arrived
    events: tuple[Numbered, ...]  # with Ray in between not as bytes, but where those lie (actor.py)


# -- the daemon and its gateway ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of the cluster. `refused` says why nothing runs there, in one sentence; `draining_until` (Unix seconds,
    0 for no set time) that it is about to leave."""

    id: str
    name: str
    address: str
    gpus: int
    cpus: float
    draining_until: float | None = None
    refused: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """All that are there now."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSilent:
    """The cluster's head does not answer, for the reason given; "" when it does again."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEngine:
    """Start an engine on a node. `line` is what the daemon calls it; `engine_for` the import path (module:callable) of
    what makes it there, as actor.process_engine does."""

    line: str
    session: str
    node_id: str
    gpu: bool
    cpus: float
    slots: int | None
    load_deadline_s: float
    backend_for: str
    engine_for: str = "soundmill.engine.remote.actor:process_engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    line: str
    session: str
    command: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """The daemon's worker has taken events of this size: as much more may come."""

    line: str
    session: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    line: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """For how many engines there is work: Ray's autoscaler gets machines for them, and lets them go again."""

    engines: int
    gpu: bool
    cpus: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    line: str
    session: str
    event: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LineLost:
    line: str
    session: str
    reason: str


ToGateway = OpenEngine | Say | Took | Shut | Demand
FromGateway = Nodes | HeadSilent | Heard | LineLost
