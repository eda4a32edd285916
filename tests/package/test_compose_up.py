"""The compose files, brought up by a Docker engine: the hub with Prometheus, and the hub of a test suite.

`docker compose`, or Debian's docker-compose 1.29, which does not know `name` and gets the file without it. Prometheus is Debian's, under
the name of the image that the file asks for, since no registry need be in reach; there is no Grafana without one.
"""
import json
import os
import shutil
import unittest

import container
from container import engine
from engines import IMAGE
from machine import ROOT, WORK, missing, run, wait_for

FOLDER = ROOT / "docker"
PROMETHEUS = """FROM {image}
COPY prometheus /usr/bin/prometheus
USER 0:0
WORKDIR /
HEALTHCHECK NONE
ENTRYPOINT ["/usr/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
"""
TAG = "under-test"


class Project:
    """One compose file under a name of its own, taken down at the end."""

    def __init__(self, case, file, variables=None):
        self.name = f"kyanite-{os.getpid()}-{file.removesuffix('.yaml').replace('.', '-')}"
        self.text = "".join(line for line in (FOLDER / file).read_text().splitlines(True) if not line.startswith("name:"))
        self.variables = {"KYANITE_VERSION": TAG, "DOCKER_HOST": engine().host, **(variables or {})}
        self.program = ["docker", "compose"] if run("docker", "compose", "version", check=False).returncode == 0 else ["docker-compose"]
        case.addCleanup(self, "down", "--volumes", "--timeout", "10", check=False)

    def __call__(self, *arguments, check=True, timeout=600):
        # What lies beside the file is found from the folder where it is read.
        return run("env", "-C", FOLDER, *self.program, "-p", self.name, "-f", "-", *arguments, check=check, timeout=timeout,
                   stdin=self.text, env=self.variables)

    def container(self, service):
        return json.loads(engine()("inspect", self("ps", "-q", service).stdout.strip()).stdout)[0]


class Up(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not engine() or engine().name != "docker":
            raise unittest.SkipTest(f"no Docker engine: {container.found[1]}")
        if run("docker", "compose", "version", check=False).returncode != 0 and missing("docker-compose"):
            raise unittest.SkipTest("neither docker compose nor docker-compose is installed")
        container.build()
        engine()("tag", IMAGE, f"kyanite:{TAG}")

    def test_a_suite_makes_its_device_under_the_name_it_chose_and_its_end_is_the_projects(self):
        for command, status in (([], 0), (["device", "show", "nobody"], 1)):
            project = Project(self, "compose.test.yaml", {"HUB_NAME": "myhub.azure-devices.net"})
            if command:
                project.text = project.text.replace("command: [device, create, first,", "command: [device, show, nobody,")
            done = project("up", "--exit-code-from", "tests", "--timeout", "60", check=False)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            if not command:
                self.assertRegex(done.stdout, r"device +first")
            self.assertEqual(project.container("hub")["State"]["ExitCode"], 0)
            project("down", "--volumes")

    def test_prometheus_scrapes_the_hub_and_has_its_rules(self):
        if not engine().own:
            self.skipTest("the ports of the file are those of the machine: only with an engine of our own")
        if missing("prometheus", "curl"):
            self.skipTest("prometheus and curl of Debian are not installed")
        context = WORK / "prometheus"
        context.mkdir(parents=True, exist_ok=True)
        shutil.copy(shutil.which("prometheus"), context / "prometheus")
        (context / "Dockerfile").write_text(PROMETHEUS.format(image=IMAGE))
        project = Project(self, "compose.yaml")
        image = next(line.split()[-1] for line in project.text.splitlines() if "image: prom/" in line)
        engine()("build", "--quiet", "-t", image, context, timeout=600)
        project("up", "-d", "kyanite", "prometheus")
        hub = project.container("kyanite")
        self.assertEqual(hub["State"]["Health"]["Status"], "healthy", "Prometheus waits for that")

        def ask(path):
            done = run(*engine().inside, "curl", "--silent", "--fail", "--max-time", "60", f"http://127.0.0.1:9090/api/v1/{path}", check=False)
            return json.loads(done.stdout)["data"] if done.returncode == 0 else None

        def target():
            targets = (ask("targets") or {}).get("activeTargets", [])
            return targets and targets[0]["health"] == "up" and targets

        def evaluated():
            found = [rule for group in (ask("rules") or {}).get("groups", []) for rule in group["rules"]]
            return found if all(rule["health"] != "unknown" for rule in found) else None

        targets = wait_for(target, "a scrape that succeeds", 180)
        self.assertEqual([(one["labels"]["instance"], one["health"], one["lastError"]) for one in targets], [("kyanite:8080", "up", "")])
        rules = wait_for(evaluated, "all rules are evaluated", 180)
        self.assertGreater(len(rules), 10)
        self.assertEqual({rule["health"] for rule in rules}, {"ok"})
        found = wait_for(lambda: (ask("query?query=kyanite_build_info") or {}).get("result"), "what was scraped")
        self.assertEqual([one["metric"]["instance"] for one in found], ["kyanite:8080"])
        # Published where the file says.
        answer = run(*engine().inside, "curl", "--silent", "--fail", "http://127.0.0.1:8080/readyz").stdout
        self.assertEqual(json.loads(answer), {"status": "ready"})
        project("stop", "--timeout", "60", "kyanite")
        self.assertEqual(project.container("kyanite")["State"]["ExitCode"], 0)
