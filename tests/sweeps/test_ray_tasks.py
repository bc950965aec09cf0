"""Jobs on a local cluster of two nodes, of which one is killed in mid-sweep."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.sweeps.jobs import Job
from chinchilla_lib.sweeps.plan import plan_isoflop_sweep
from chinchilla_lib.sweeps.ray_tasks import RayTasks, gpu_share
from chinchilla_lib.sweeps.runner import Progress, run_sweep
from chinchilla_lib.sweeps.tiers import TIERS
from tests.sweeps.killable import SleepyTrainer, logged, tables, tiny_plan

PLAN = tiny_plan()


def start_cluster() -> tuple[Any, Any]:
    """A cluster of two nodes with a processor each, and the second of them."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_log_monitor": False}
    head = {**node, "include_dashboard": False, "no_monitor": True}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        return cluster, cluster.add_node(**node)
    except BaseException:
        cluster.shutdown()
        raise


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """A local cluster, and the node of it that may be killed."""
    monkeypatch.setenv("RAY_agent_register_timeout_ms", "120000")
    import ray

    # A node gives up when its agents are slow to start, as they are on a busy machine.
    reasons = []
    for _ in range(3):
        try:
            cluster, second = start_cluster()
            break
        except Exception as error:
            reasons.append(str(error))
    else:
        pytest.skip(f"Ray could not start two nodes here in three attempts: {reasons[-1]}")
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield cluster, second
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.fault_selection
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_node_killed_in_mid_sweep_changes_nothing(tmp_path: Path, nodes: tuple[Any, Any]) -> None:
    cluster, second = nodes
    killed = []

    def kill_the_second(progress: Progress) -> None:
        if progress.n_done == 2 and not killed:
            cluster.remove_node(second, allow_graceful=False)
            killed.append(second)

    executor = RayTasks()
    assert executor.n_workers == 2
    trainer = SleepyTrainer(tmp_path / "log", 0.3)
    records = run_sweep(PLAN, trainer, tmp_path / "s", executor=executor, on_progress=kill_the_second)
    assert killed
    assert [record.config.run_id for record in records] == list(PLAN.run_ids)
    assert set(logged(tmp_path)) == set(PLAN.run_ids)
    run_sweep(PLAN, SleepyTrainer(tmp_path / "other", 0.3), tmp_path / "undisturbed", n_workers=0)
    assert tables(tmp_path / "s") == tables(tmp_path / "undisturbed")


def test_small_models_share_a_gpu_and_large_ones_do_not() -> None:
    tier = TIERS["gpu"]
    shares = {}
    for width in (96, 320, 512, 896):
        [config] = plan_isoflop_sweep(
            type(tier)(**{**vars(tier), "widths": {3e15: (width,)}, "staged": False}), corpus="none"
        ).configs
        shares[width] = gpu_share(Job((config,), "job"))
    assert list(shares.values()) == [0.125, 0.25, 0.625, 1.0]


@pytest.mark.parametrize("gpus", [-0.5, 1.5])
def test_parts_of_gpus_that_ray_cannot_place_are_refused(gpus: float) -> None:
    with pytest.raises(InputError, match=f"gpus_per_job is {gpus}"):
        RayTasks(gpus_per_job=gpus)


def test_a_cluster_that_does_not_start_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")

    def init(**options: object) -> None:
        raise Exception("The node timed out\nduring startup.")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setenv("RAY_agent_register_timeout_ms", "1")
    with pytest.raises(InputError, match=r"^Ray did not start: The node timed out during startup\. Try"):
        _ = RayTasks().n_workers
