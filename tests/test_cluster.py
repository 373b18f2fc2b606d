"""The files of cluster/ against the schemas and versions that they must fit, as far as goes without the machines."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from kerasac import __version__

REPOSITORY = Path(__file__).resolve().parents[1]
CLUSTER = REPOSITORY / "cluster"
FOLDERS = ("docker", "kuberay", "ray-up", "slurm")
FILES = sorted(path for path in CLUSTER.rglob("*") if path.is_file())
DOCKERFILES = ("Dockerfile", "Dockerfile.cuda")
CLOUDS = ("aws", "gcp")


def ray_range() -> Requirement:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return next(Requirement(text) for text in project["dependencies"] if text.startswith("ray["))


def documents(name: str) -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in yaml.safe_load_all((CLUSTER / "kuberay" / name).read_text())}


def ray_clusters() -> dict[str, dict[str, Any]]:
    return {
        "raycluster.yaml": documents("raycluster.yaml")["RayCluster"]["spec"],
        "rayjob.yaml": documents("rayjob.yaml")["RayJob"]["spec"]["rayClusterSpec"],
    }


def instructions(name: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (CLUSTER / "docker" / name).read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word]


@pytest.mark.parametrize("folder", FOLDERS)
def test_readme_names_every_file(folder: str) -> None:
    readme = (CLUSTER / folder / "README.md").read_text()
    names = {path.name for path in (CLUSTER / folder).iterdir()} - {"README.md"}
    assert names
    assert {name for name in names if f"`{name}`" not in readme} == set()


def test_index_names_every_folder_and_the_files_to_edit() -> None:
    index = (CLUSTER / "README.md").read_text()
    assert {path.name for path in CLUSTER.iterdir()} == {*FOLDERS, "README.md"}
    for folder in FOLDERS:
        assert f"({folder}/README.md)" in index
    edited = [path.name for path in FILES if path.suffix in (".yaml", ".sbatch") or path.name in DOCKERFILES]
    assert len(edited) == 7
    assert [name for name in edited if f"`{name}`" not in index] == []


def test_cluster_is_no_package() -> None:
    """An importable top-level `cluster` would hide others of that name."""
    assert [path for path in FILES if path.suffix == ".py"] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_holds_a_secret_or_a_path_of_a_machine(path: Path) -> None:
    text = path.read_text()
    secrets = r"AKIA[0-9A-Z]{16}|-----BEGIN|[0-9a-f]{32,}|(?i:password|secret_access_key|RAY_AUTH_TOKEN\s*[=:]\s*\S)"
    assert re.findall(secrets, text) == []
    assert re.findall(r"/work/|/root/|/home/(?!ray)", text) == []


def test_version_of_the_images_is_the_packages() -> None:
    for path in FILES:
        for tag in re.findall(r"kerasac-ray:([0-9][\w.]*)", path.read_text()):
            assert tag == __version__, path


def test_version_of_ray_is_one_that_the_package_allows_and_the_same_everywhere() -> None:
    found = {version for path in FILES for version in re.findall(r"ray\[default\]==([\d.]+)", path.read_text())}
    found |= {spec["rayVersion"] for spec in ray_clusters().values()}
    assert len(found) == 1
    assert Version(found.pop()) in ray_range().specifier


# --- ray up


@pytest.mark.parametrize("cloud", CLOUDS)
def test_ray_up_yaml_fits_rays_own_schema(cloud: str) -> None:
    from ray.autoscaler._private.util import fillout_defaults, prepare_config, validate_config

    given = yaml.safe_load((CLUSTER / "ray-up" / f"{cloud}.yaml").read_text())
    validate_config(prepare_config(given))
    # What the file leaves out must be nothing that a default of Ray would open or install.
    left_out = fillout_defaults(given).keys() - given.keys()
    assert left_out <= {"cluster_synced_files", "file_mounts_sync_continuously", "rsync_exclude", "rsync_filter"}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_ray_up_has_a_cpu_head_and_gpu_workers_from_none(cloud: str) -> None:
    given = yaml.safe_load((CLUSTER / "ray-up" / f"{cloud}.yaml").read_text())
    types = given["available_node_types"]
    assert given["provider"]["type"] == cloud
    assert "GPU" not in types[given["head_node_type"]]["resources"]
    assert types["gpu"]["resources"]["GPU"] == 1
    assert types["gpu"]["min_workers"] == 0 < types["gpu"]["max_workers"] <= given["max_workers"]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_ray_up_shares_a_folder_and_keeps_token_and_dashboard_close(cloud: str) -> None:
    given = yaml.safe_load((CLUSTER / "ray-up" / f"{cloud}.yaml").read_text())
    assert any(" /mnt/kerasac" in command and "nfs" in command for command in given["initialization_commands"])
    assert "--volume /mnt/kerasac:/data" in given["docker"]["run_options"]
    assert "--env RAY_AUTH_MODE=token" in given["docker"]["run_options"]
    assert given["file_mounts"] == {"/home/ray/.ray/auth_token": "~/.ray/auth_token"}
    starts = " ".join(given["head_start_ray_commands"] + given["worker_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in starts
    assert "0.0.0.0" not in starts


@pytest.mark.parametrize("cloud", CLOUDS)
def test_ports_of_ray_up_are_none_of_the_workers(cloud: str) -> None:
    given = yaml.safe_load((CLUSTER / "ray-up" / f"{cloud}.yaml").read_text())
    ports = [int(port) for port in re.findall(r"-port=(\d+)", " ".join(given["head_start_ray_commands"]))]
    assert ports
    assert all(not 10_002 <= port <= 19_999 for port in ports)


# --- KubeRay


def test_manifests_are_of_the_kinds_that_they_say() -> None:
    both = documents("raycluster.yaml") | documents("rayjob.yaml")
    assert {kind: one["apiVersion"] for kind, one in both.items()} == {
        "PersistentVolumeClaim": "v1",
        "RayCluster": "ray.io/v1",
        "RayJob": "ray.io/v1",
    }
    assert both["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]


@pytest.mark.parametrize("name", ["raycluster.yaml", "rayjob.yaml"])
def test_rays_resources_are_those_of_the_containers(name: str) -> None:
    spec = ray_clusters()[name]
    assert spec["enableInTreeAutoscaling"] is True
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in spec["workerGroupSpecs"]:
        (container,) = group["template"]["spec"]["containers"]
        limits = container["resources"]["limits"]
        assert limits == container["resources"]["requests"]
        assert group["rayStartParams"] == {"num-cpus": limits["cpu"], "num-gpus": limits["nvidia.com/gpu"]}
        assert group["minReplicas"] == group["replicas"] == 0 < group["maxReplicas"]


@pytest.mark.parametrize("name", ["raycluster.yaml", "rayjob.yaml"])
def test_pods_have_probes_the_volume_and_the_token_of_a_secret(name: str) -> None:
    spec = ray_clusters()[name]
    assert spec["authOptions"] == {"mode": "token", "secretName": "kerasac-ray-token"}
    pods = [spec["headGroupSpec"]["template"]["spec"], *(g["template"]["spec"] for g in spec["workerGroupSpecs"])]
    claim = documents("raycluster.yaml")["PersistentVolumeClaim"]["metadata"]["name"]
    for pod in pods:
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        for probe in ("readinessProbe", "livenessProbe"):
            assert container[probe]["exec"]["command"][:2] == ["bash", "-c"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert volumes["runs"]["persistentVolumeClaim"]["claimName"] == claim
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts.keys() == volumes.keys()
        assert mounts["runs"] == "/data"
    assert len({pod["containers"][0]["image"] for pod in pods}) == 1


def test_both_manifests_describe_the_same_cluster() -> None:
    one, other = ray_clusters().values()
    assert one == other


def test_command_of_the_job_is_one_of_kerasac_ray() -> None:
    from typer.testing import CliRunner

    from kerasac.cli.main import app

    spec = documents("rayjob.yaml")["RayJob"]["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    program, *words = shlex.split(spec["entrypoint"])
    assert (program, words[:2]) == ("kerasac-ray", ["launch", "address"])
    at = words.index("--")
    for command in (words[:at], words[at + 1 :]):
        names = command[:2] if command[0] == "launch" else command[:1]
        usage = CliRunner().invoke(app, [*names, "--help"], terminal_width=200).output
        options = [word for word in command if word.startswith("--")]
        assert options
        assert [option for option in options if option not in usage] == []
    gpus = int(words[words.index("--gpus") + 1])
    assert gpus <= sum(group["maxReplicas"] for group in spec["rayClusterSpec"]["workerGroupSpecs"])


# --- Docker


@pytest.mark.parametrize("name", DOCKERFILES)
def test_image_is_built_in_stages_on_a_pinned_base_for_a_user_who_is_not_root(name: str) -> None:
    found = instructions(name)
    known = {"FROM", "RUN", "ENV", "WORKDIR", "COPY", "USER", "CMD"}
    assert {word for word, _ in found} <= known
    bases = [rest.split()[0] for word, rest in found if word == "FROM"]
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-[\w-]+", base) for base in bases)
    users = [rest for word, rest in found if word == "USER"]
    assert users == ["ray"]
    last = max(i for i, (word, _) in enumerate(found) if word == "FROM")
    assert [word for word, _ in found[last:]].index("USER") > [word for word, _ in found[last:]].index("RUN")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_copied_is_there_and_not_ignored(name: str) -> None:
    ignored = (CLUSTER / "docker" / f"{name}.dockerignore").read_text().splitlines()
    copied = [
        word
        for kind, rest in instructions(name)
        if kind == "COPY" and not rest.startswith("--from")
        for word in rest.split()[:-1]
    ]
    assert copied
    for source in copied:
        assert (REPOSITORY / source).exists()
        assert f"!{source}" in ignored
    assert "*" in ignored
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    needed = {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml"}
    assert needed | set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= set(copied)


def test_cuda_image_installs_tensorflow_in_the_packages_range() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = next(Requirement(text) for text in project["dependencies"] if text.startswith("tensorflow"))
    text = " ".join(rest for word, rest in instructions("Dockerfile.cuda") if word == "RUN")
    (found,) = [Requirement(one) for one in shlex.split(text) if one.startswith("tensorflow")]
    assert found.extras == {"and-cuda"}
    assert found.specifier == wanted.specifier
    assert "tensorflow" not in " ".join(rest for word, rest in instructions("Dockerfile") if word == "RUN")


def test_python_of_the_images_is_one_that_the_package_supports() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    from packaging.specifiers import SpecifierSet

    for name in DOCKERFILES:
        for version in re.findall(r"FROM python:([\d.]+)", (CLUSTER / "docker" / name).read_text()):
            assert version in SpecifierSet(project["requires-python"])


def test_command_of_the_images_is_in_json() -> None:
    """A string would start a shell, which keeps signals from the command."""
    for name in DOCKERFILES:
        (command,) = [rest for word, rest in instructions(name) if word == "CMD"]
        assert json.loads(command)[0] == "kerasac-ray"
