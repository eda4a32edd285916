"""The compose files: read as an engine would where there is one, and by their content everywhere."""
import re
import subprocess
import unittest

import yaml

from machine import PROGRAM, ROOT, missing, run

FOLDER = ROOT / "docker"
FILES = [FOLDER / "compose.yaml", FOLDER / "compose.test.yaml"]
HUBS = dict(zip(FILES, ("kyanite", "hub")))  # the service that is the hub


def substituted(text, **variables):
    """Variables as docker compose puts them in; only ${NAME:-default}, which is all the files use."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: variables.get(match[1]) or match[2], text)


class Compose(unittest.TestCase):
    def load(self, file, **variables):
        return yaml.safe_load(substituted(file.read_text(), **variables))

    def test_an_engine_accepts_them(self):
        if not missing("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
            for file in FILES:
                run("docker", "compose", "-f", file, "config", "--quiet")
        elif not missing("docker-compose"):  # 1.29, which does not know `name`
            for file in FILES:
                run("env", "-C", FOLDER, "docker-compose", "-p", "test", "-f", "-", "config", "--quiet",
                    stdin=re.sub(r"(?m)^name:.*\n", "", file.read_text()))
        else:
            self.skipTest("docker compose is not here: the other tests of this class read the files by themselves")

    def test_only_defaults_and_known_members_are_used(self):
        known = {"image", "build", "restart", "environment", "ports", "volumes", "read_only", "cap_drop", "security_opt", "sysctls",
                 "ulimits", "stop_grace_period", "depends_on", "networks", "user", "command", "healthcheck"}
        for file in FILES:
            self.assertNotIn("$", substituted(file.read_text()).replace("$$", ""), file)
            for name, service in self.load(file)["services"].items():
                self.assertEqual(set(service) - known, set(), f"{file.name}: {name}")

    def test_images_are_pinned_and_ours_is_of_this_version(self):
        version = re.search(r"project\(kyanite VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
        for file in FILES:
            for name, service in self.load(file)["services"].items():
                image, tag = service["image"].rsplit(":", 1)
                self.assertRegex(tag, r"^v?\d+\.\d+\.\d+$", f"{file.name}: {name}")
                if image == "kyanite":
                    self.assertEqual(tag, version)

    def test_what_is_mounted_is_there_or_declared(self):
        for file in FILES:
            compose = self.load(file)
            for name, service in compose["services"].items():
                for volume in service.get("volumes", []):
                    source = volume.split(":")[0]
                    if source.startswith("."):
                        self.assertTrue((FOLDER / source).exists(), f"{file.name}: {name} mounts {source}")
                    else:
                        self.assertIn(source, compose["volumes"], f"{file.name}: {name}")
                for other in service.get("depends_on", []):
                    self.assertIn(other, compose["services"])

    def test_the_hub_is_hardened_and_its_settings_are_known(self):
        for file in FILES:
            hub = self.load(file)["services"][HUBS[file]]
            self.assertTrue(hub["read_only"])
            self.assertEqual(hub["cap_drop"], ["ALL"])
            self.assertEqual(hub["security_opt"], ["no-new-privileges:true"])
            for variables in ({}, {"KYANITE_HOSTNAME": "hub.example.test", "HUB_NAME": "myhub.azure-devices.net"}):
                service = self.load(file, **variables)["services"][HUBS[file]]
                environment = {name: str(value or "") for name, value in service["environment"].items()}
                run(PROGRAM, "config", "check", env={**environment, "KYANITE_LISTEN_ADMIN": "*:8080", "KYANITE_DATA": "/data"})

    def test_what_prometheus_and_grafana_read_names_these_services(self):
        services = self.load(FILES[0])["services"]
        prometheus = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text())
        targets = [target for job in prometheus["scrape_configs"] for group in job["static_configs"] for target in group["targets"]]
        self.assertEqual(targets, [f"{HUBS[FILES[0]]}:8080"])
        mounted = {volume.split(":")[1] for volume in services["prometheus"]["volumes"]}
        for file in prometheus["rule_files"]:
            self.assertIn(f"/etc/prometheus/{file}", mounted)
        mounted = {volume.split(":")[1] for volume in services["grafana"]["volumes"]}
        provisioning = FOLDER / "grafana" / "provisioning"
        for file in (provisioning / "dashboards").glob("*.y*ml"):
            for provider in yaml.safe_load(file.read_text())["providers"]:
                self.assertIn(provider["options"]["path"], mounted)
        for file in (provisioning / "datasources").glob("*.y*ml"):
            for source in yaml.safe_load(file.read_text())["datasources"]:
                host = re.match(r"http://(\w+):9090", source["url"])
                self.assertIn(host.group(1), services)

    def test_plain_http_is_published_to_this_machine_alone(self):
        for name, service in self.load(FILES[0])["services"].items():
            for port in service.get("ports", []):
                if not port.startswith("127.0.0.1:"):
                    self.assertIn(port, ("443:443", "8883:8883", "5671:5671"), name)

    def test_a_suite_finds_the_hub_under_the_name_it_chose(self):
        compose = self.load(FILES[1], HUB_NAME="myhub.azure-devices.net")
        hub, tests = compose["services"]["hub"], compose["services"]["tests"]
        self.assertEqual(hub["environment"]["KYANITE_HOSTNAME"], "myhub.azure-devices.net")
        self.assertEqual(hub["networks"]["test"]["aliases"], ["myhub.azure-devices.net"])
        self.assertEqual(tests["depends_on"]["hub"]["condition"], "service_healthy")
        login = tests["command"][-1]
        self.assertIn("HostName=myhub.azure-devices.net;", login)
        self.assertTrue(login.endswith("SharedAccessKey=" + hub["environment"]["KYANITE_OWNER_KEY"]))
