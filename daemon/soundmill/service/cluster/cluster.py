"""The machines of a Ray cluster as the daemon sees them: which devices there are now, and an engine for each."""

from __future__ import annotations

import contextlib
import json
import math
import threading
from collections.abc import Callable, Sequence

from soundmill.config import ClusterConfig, Config
from soundmill.engine.remote.access import environment
from soundmill.engine.remote.engine import RayEngine
from soundmill.engine.remote.link import GatewayLine, Link
from soundmill.engine.remote.messages import Node, OpenEngine
from soundmill.errors import CatalogError, ConfigError, EngineNotStarted, StorageUnavailable
from soundmill.home import Home
from soundmill.jobs import ModelQueue
from soundmill.schedule.places import serves
from soundmill.service.survive import Troubles
from soundmill.service.wiring import places_of
from soundmill.words import count

PART, NODES, MODELS = "cluster", "cluster nodes", "cluster models"  # as `status` calls what does not work
JOIN_PATIENCE_S = 60.0  # for a node with something to work with, after the start
DEMAND_EVERY_S = 5.0
MOST_ASKED_FOR = 256  # engines, of an autoscaler that has bounds of its own
CLIPS_AN_ENGINE = 8  # that are worth a machine, where nobody has said how many slots there are

Reach = Callable[[ClusterConfig, Home], Link]


def reach(config: ClusterConfig, home: Home) -> Link:
    """Have a process join the cluster. Raises ConfigError where there is no token for it."""
    assert config.address is not None
    return Link({"address": config.address}, environment(config.address, home.cluster_token))


class Cluster:
    """Nothing, while soundmill.yaml names no cluster. For the main thread, but for what its engines call."""

    def __init__(
        self,
        home: Home,
        config: Config,
        *,
        troubles: Troubles,
        record: Callable[[str, str], None],
        show: Callable[[str], None],
        steady: Callable[[], float],
        reach: Reach = reach,
        engine_for: str = "soundmill.engine.remote.actor:process_engine",
    ) -> None:
        self._home = home
        self._config = config
        self._troubles = troubles
        self._record = record
        self._show = show
        self._shown = ""
        self._steady = steady
        self._reach = reach
        self._engine_path = engine_for
        self._link: Link | None = None
        self._since = steady()
        self._known: dict[str, Node] = {}
        self._demanded_at = -DEMAND_EVERY_S
        self._weights: dict[str, tuple[str, str]] = {}  # of each model: their digest, and the node that has them
        self._lock = threading.Lock()
        self.devices: tuple[str, ...] = ()
        self.waits_in_vain = False  # whatever waits, does so for a machine that is not there
        self._models_at = -DEMAND_EVERY_S
        self._begin()

    def _begin(self) -> None:
        self._show_all([])  # what a daemon that was killed has left there
        if self._config.cluster.address is None:
            return
        self._since = self._steady()
        try:
            self._link = self._reach(self._config.cluster, self._home)
        except (ConfigError, OSError) as error:
            self._troubles.begin(PART, str(error))

    def use(self, config: Config) -> None:
        """Work by new settings; another cluster is joined in place of this one."""
        former, self._config = self._config, config
        if config.cluster.address != former.cluster.address:
            self.close()
            self._begin()

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        self.devices = ()
        self._known = {}
        self._show_all([])
        self.waits_in_vain = False
        for part in (PART, NODES, MODELS):
            self._troubles.end(part)

    # -- what there is -----------------------------------------------------------------------

    def check(self, unfinished: Callable[[], int]) -> None:
        """See which devices have come and gone; `unfinished()` is how many jobs want one."""
        if self._link is None:
            return
        nodes = {node.id: node for node in self._link.nodes}
        self._tell_of(nodes)
        able = sorted((node for node in nodes.values() if works(node)), key=lambda node: node.name)
        self.devices = devices_of(able, self._config.cluster)
        self._tell_troubles(self._link, list(nodes.values()))
        self._show_all(list(nodes.values()))
        if self._steady() - self._demanded_at >= DEMAND_EVERY_S:
            self._demanded_at = self._steady()
            self._demand(self._link, unfinished())

    def _tell_of(self, nodes: dict[str, Node]) -> None:
        for node in nodes.values():
            before = self._known.get(node.id)
            if before is None and node.refused is None:
                has = count(node.gpus, "GPU") if node.gpus else count(int(node.cpus), "CPU")
                self._record("node joined", f"{node.name} ({node.address}) has joined the cluster with {has}")
            if node.draining_until is not None and (before is None or before.draining_until is None):
                self._record("node drains", f"{node.name} is about to leave: what it has begun is finished, no more")
        for known in self._known.values():
            if known.id not in nodes:
                self._record("node gone", f"{known.name} ({known.address}) has left the cluster")
        self._known = nodes

    def _show_all(self, nodes: list[Node]) -> None:
        """For the view `machines`."""
        rows = [
            {
                "name": node.name, "address": node.address, "gpus": node.gpus, "cpus": node.cpus, "why": node.refused,
                "state": "refused" if node.refused else "draining" if node.draining_until is not None else "working",
            }
            for node in sorted(nodes, key=lambda node: node.name)
        ]  # fmt: skip
        if (text := json.dumps(rows)) != self._shown:
            # Devices come and go whether or not the catalogue takes this; it is shown once it does.
            with contextlib.suppress(CatalogError, StorageUnavailable):
                self._show(text)
                self._shown = text

    def _tell_troubles(self, link: Link, nodes: list[Node]) -> None:
        if link.trouble is not None:
            self._troubles.begin(PART, link.trouble)
        elif not self.devices and self._steady() - self._since > JOIN_PATIENCE_S:
            self._troubles.begin(PART, "no machine of the cluster has a device to work with: soundmill cluster join")
        else:
            if self.devices:
                self._since = self._steady()
            self._troubles.end(PART)
        if refused := [node.refused for node in nodes if node.refused is not None]:
            self._troubles.begin(NODES, "; ".join(refused))
        else:
            self._troubles.end(NODES)

    def mind_models(self, devices: Sequence[str], queues: Callable[[], list[ModelQueue]]) -> None:
        """Tell of models whose jobs wait for a machine that is not there; `devices` are all that there are."""
        if self._steady() - self._models_at < DEMAND_EVERY_S:
            return
        self._models_at = self._steady()
        places = places_of(self._config)
        waiting = {queue.model for queue in queues()} if places else set()
        vain = {each for each in places if each in waiting and not any(serves(places, d, each) for d in devices)}
        self.waits_in_vain = bool(vain) and vain == waiting
        if vain:
            machines = "; ".join(f"{model}: {', '.join(places[model])}" for model in sorted(vain))
            self._troubles.begin(MODELS, f"jobs wait for machines that are not there ({machines}); see cluster.models")
        else:
            self._troubles.end(MODELS)

    def _demand(self, link: Link, unfinished: int) -> None:
        slots = self._config.engine.slots
        engines = math.ceil(unfinished / (CLIPS_AN_ENGINE if slots == "auto" else slots))
        gpus = self._config.cluster.gpus
        most = MOST_ASKED_FOR if gpus in ("all", 0) else int(gpus)
        link.demand(min(engines, most), gpu=gpus != 0, cpus=cpus_of(self._config.cluster, gpu=gpus != 0, node_cpus=1.0))

    # -- engines -----------------------------------------------------------------------------

    def engine_for(self, device: str) -> RayEngine | None:
        """The engine of a device of the cluster; None for one of this machine."""
        name, slash, inside = device.rpartition("/")
        if not slash or self._link is None:
            return None
        link, config = self._link, self._config

        def place(session: str) -> OpenEngine:
            node = next((each for each in link.nodes if each.name == name and each.refused is None), None)
            if node is None:
                raise EngineNotStarted(f"{device}: {link.trouble or f'{name} is not in the cluster'}")
            gpu = inside.startswith("cuda")
            return OpenEngine(
                line=device,
                session=session,
                node_id=node.id,
                gpu=gpu,
                cpus=cpus_of(config.cluster, gpu=gpu, node_cpus=node.cpus),
                slots=None if config.engine.slots == "auto" else config.engine.slots,
                load_deadline_s=config.schedule.load_deadline_s,
                backend_for="soundmill.engine.process.host:open_backend",
                engine_for=self._engine_path,
            )

        return RayEngine(
            name,
            GatewayLine(device, link, place),
            load_deadline_s=config.schedule.load_deadline_s,
            same_weights=lambda model, digest: self._compare(name, model, digest),
        )

    def _compare(self, node: str, model: str, digest: str) -> str | None:
        """What is wrong with a model's weights on a node; one that loads it first has the right ones."""
        with self._lock:
            right, first = self._weights.setdefault(model, (digest, node))
        if digest == right:
            return None
        return (
            f"{node}: has other weights of {model} ({digest or 'unknown'}) than {first} ({right or 'unknown'}); "
            f"run: soundmill models pull {model} --everywhere"
        )


def works(node: Node) -> bool:
    return node.refused is None and node.draining_until is None


def devices_of(nodes: list[Node], config: ClusterConfig) -> tuple[str, ...]:
    """Every GPU, at most `gpus` of them; CPUs where that is 0, or where no machine has a GPU."""
    gpus = [f"{node.name}/cuda:{index}" for node in nodes for index in range(node.gpus)]
    if config.gpus == "all" and gpus:
        return tuple(gpus)
    if config.gpus in ("all", 0):
        return tuple(
            f"{node.name}/cpu:{index}"
            for node in nodes
            for index in range(int(node.cpus / cpus_of(config, gpu=False, node_cpus=node.cpus)) if node.cpus else 0)
        )
    return tuple(gpus[: int(config.gpus)])


def cpus_of(config: ClusterConfig, *, gpu: bool, node_cpus: float) -> float:
    """How many CPUs of a node an engine takes."""
    if config.cpus_per_engine == "auto":
        return min(1.0, node_cpus) if gpu else node_cpus
    return config.cpus_per_engine
