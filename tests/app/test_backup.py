"""Backups of a hub that runs and of one that does not, and what becomes of a data directory that gets one."""
import contextlib
import json
import os
import random
import shutil
import subprocess
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from hub_content import fill, send_telemetry, state_of
from hub_process import API, make_sas
from program import PROGRAM, HubCase, environment, run, wait_for

MIB = 1 << 20


@contextlib.contextmanager
def small_disk(folder, mebibytes):
    """A tmpfs; skips the test where mounting is not allowed."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "kyanite-test", folder], capture_output=True)
    if mounted.returncode != 0:
        raise unittest.SkipTest("mounting a tmpfs is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill_disk(folder, leave):
    """Until about `leave` bytes are free."""
    free = os.statvfs(folder)
    size = free.f_bavail * free.f_frsize - leave
    with open(folder / "filler", "wb") as filler:
        for _ in range(size // MIB):
            filler.write(b"x" * MIB)


class BackupCase(HubCase):
    def backup(self, hub, target, *more, **options):
        return self.cli(hub, "backup", target, *more, timeout=120, **options)

    def done(self, result):
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result

    def restore(self, backup, data, *more):
        return run("restore", backup, "--data", self.folder / data, *more, timeout=120)

    def check(self, path):
        result = run("check", path, timeout=120)
        self.assertEqual((result.returncode, "nothing is wrong" in result.stdout), (0, True), result.stdout + result.stderr)

    def assert_nothing_left(self, folder):
        left = [path.name for path in folder.iterdir() if path.name.endswith("~.tmp")] if folder.exists() else []
        self.assertEqual(left, [])


class RunningHub(BackupCase):
    def test_a_restored_hub_is_the_one_that_was_backed_up(self):
        hub = self.hub()
        fill(hub)
        before = state_of(hub)
        target = self.folder / "copy"
        self.done(self.backup(hub, target))
        self.assertEqual(hub.rest("GET", "/kyanite/v1/backups")[1]["backups"], [])  # the hub's own copy went
        manifest = json.loads((target / "manifest.json").read_text())
        self.assertEqual(manifest["storeFormat"], 3)
        self.assertIn(hub.host_name, manifest["hostNames"])
        self.assertEqual(target.stat().st_mode & 0o777, 0o700)
        self.assertEqual((target / "pki" / "ca.key").stat().st_mode & 0o777, 0o600)
        self.check(target)
        # What happens afterwards is not in it.
        hub.create_device("later")
        hub.kill()
        self.done(self.restore(target, "other"))
        self.check(self.folder / "other")
        restored = self.hub(data="other")
        self.assertEqual(state_of(restored), before)
        send_telemetry(restored, "d1", "goes on")
        self.assertEqual(restored.stop(), 0)

    def test_nothing_is_wrong_with_a_hub_to_which_no_file_was_uploaded(self):
        hub = self.hub()
        target = self.folder / "copy"
        self.done(self.backup(hub, target))
        self.check(target)
        hub.stop()
        self.check(hub.data)

    def test_telemetry_acknowledged_before_the_backup_is_in_it_under_load(self):
        hub = self.hub()
        for number in range(4):
            hub.create_device(f"d{number}")
        acknowledged, lock, stop = [], threading.Lock(), threading.Event()

        def publish(number):
            count = 0
            while not stop.is_set():
                text = f"{number}-{count}"
                send_telemetry(hub, f"d{number}", text)
                with lock:
                    acknowledged.append(text)
                count += 1

        with ThreadPoolExecutor(4) as pool:
            publishers = [pool.submit(publish, number) for number in range(4)]
            try:
                wait_for(lambda: len(acknowledged) > 40, "some telemetry", 120)
                promised = []
                for name in ("one", "two", "three"):
                    with lock:
                        promised.append((name, set(acknowledged)))
                    self.done(self.cli(hub, "backup", "--name", name, timeout=120))
            finally:
                stop.set()
            for publisher in publishers:
                publisher.result(120)
        for name, before in promised:
            with self.subTest(name):
                self.done(self.restore(hub.data / "backups" / name, f"data-{name}"))
                with self.hub(data=f"data-{name}", start=False) as restored:
                    found = {event["body"] for event in restored.events(timeout=1)}
                self.assertEqual(before - found, set())
        self.assertGreaterEqual(set(event["body"] for event in hub.events(timeout=1)), set(acknowledged))

    def test_backups_are_named_listed_and_deleted(self):
        hub = self.hub()
        self.done(self.cli(hub, "backup", "--name", "first"))
        listed = hub.rest("GET", "/kyanite/v1/backups")[1]["backups"]
        self.assertEqual([backup["name"] for backup in listed], ["first"])
        self.assertGreater(listed[0]["bytes"], 0)
        self.assertIn("first", self.done(self.cli(hub, "backup", "--list")).stdout)
        self.assertEqual(hub.rest("PUT", "/kyanite/v1/backups/first")[0], 409)
        for bad in ("..", ".hidden", "a%2Fb", "a%20b", "x" * 65, "~", "%00", "%C3%A9"):
            status, answer = hub.rest("PUT", f"/kyanite/v1/backups/{bad}")
            self.assertIn(status, (400, 404), (bad, answer))
            self.assertIn(hub.rest("DELETE", f"/kyanite/v1/backups/{bad}")[0], (400, 404), bad)
        self.assertEqual(sorted(path.name for path in (hub.data / "backups").iterdir()), ["first"])
        self.done(self.cli(hub, "backup", "--delete", "first"))
        self.assert_refused(self.cli(hub, "backup", "--delete", "first"), "no backup of this name")
        self.assertEqual(list((hub.data / "backups").iterdir()), [])

    def test_only_a_policy_with_every_right_may_ask(self):
        hub = self.hub()
        policies = {policy["name"]: policy for policy in hub.rest("GET", "/kyanite/v1/policies")[1]["policies"]}
        for name in ("service", "registryReadWrite", "device"):
            token = make_sas(hub.host_name, policies[name]["primaryKey"], name)
            for method, path in (("GET", "/backups"), ("PUT", "/backups/x"), ("DELETE", "/backups/x"), ("POST", "/reload"),
                                 ("GET", "/log-level"), ("PUT", "/log-level")):
                status, _ = hub.rest(method, f"/kyanite/v1{path}", headers={"Authorization": token})
                self.assertEqual(status, 401, (name, method, path))
        self.assertFalse((hub.data / "backups").exists())

    def test_backups_at_once_are_all_made_and_one_name_is_given_once(self):
        hub = self.hub()
        fill(hub)
        with ThreadPoolExecutor(6) as pool:
            names = ["a", "b", "c", "same", "same", "same"]
            statuses = list(pool.map(lambda name: hub.rest("PUT", f"/kyanite/v1/backups/{name}", timeout=60)[0], names))
        self.assertEqual(statuses[:3], [201, 201, 201])
        self.assertEqual(sorted(statuses[3:]), [201, 409, 409])
        for name in set(names):
            self.check(hub.data / "backups" / name)

    def test_copies_at_once_do_not_take_each_others_names(self):
        hub = self.hub()
        fill(hub)
        targets = [self.folder / f"copy{number}" for number in range(4)]
        with ThreadPoolExecutor(4) as pool:
            for result in pool.map(lambda target: self.backup(hub, target), targets):
                self.done(result)
        for target in targets:
            self.check(target)
        self.assertEqual(hub.rest("GET", "/kyanite/v1/backups")[1]["backups"], [])

    def test_a_mount_point_is_refused_before_anything_is_copied(self):
        hub = self.hub()
        with small_disk(self.folder / "disk", 16) as disk:
            self.assert_refused(self.backup(hub, disk), "is mounted on", f"{disk}/backup")
            self.done(self.backup(hub, disk / "backup"))
            self.check(disk / "backup")
        self.assertEqual(hub.rest("GET", "/kyanite/v1/backups")[1]["backups"], [])

    def test_a_target_that_is_there_is_left_alone(self):
        hub = self.hub()
        target = self.folder / "target"
        target.mkdir()
        (target / "mine").write_text("kept")
        self.assert_refused(self.backup(hub, target), "is there already")
        self.assertEqual((target / "mine").read_text(), "kept")
        self.assertEqual(hub.rest("GET", "/kyanite/v1/backups")[1]["backups"], [])
        (target / "mine").unlink()
        self.done(self.backup(hub, f"{target}/"))  # an empty folder may become one, however it is written
        self.check(target)
        self.assert_refused(self.backup(hub, self.folder / "none" / "deep"), "cannot make")
        self.assertEqual(hub.rest("GET", "/kyanite/v1/backups")[1]["backups"], [])

    def test_a_hub_killed_within_a_backup_leaves_none(self):
        hub = self.hub()
        fill(hub)
        for text in range(20):
            send_telemetry(hub, "d1", "x" * 200_000)
        began = time.monotonic()
        self.ask_quietly(hub, "whole")
        whole = time.monotonic() - began
        hub.rest("DELETE", "/kyanite/v1/backups/whole")
        complete = 0
        for attempt in range(5):
            asked = threading.Thread(target=self.ask_quietly, args=(hub, f"n{attempt}"))
            asked.start()
            time.sleep(whole * attempt / 3.5)
            hub.kill()
            asked.join(30)
            hub.start()
            self.assert_nothing_left(hub.data / "backups")
            for backup in hub.rest("GET", "/kyanite/v1/backups")[1]["backups"]:
                self.check(hub.data / "backups" / backup["name"])
                complete += 1
                hub.rest("DELETE", f"/kyanite/v1/backups/{backup['name']}")
        print(f"{complete} of 5 backups were complete before the kill")

    def ask_quietly(self, hub, name):
        with contextlib.suppress(Exception):
            hub.rest("PUT", f"/kyanite/v1/backups/{name}", timeout=20)

    def test_a_stop_gives_up_a_backup_and_does_not_wait_for_it(self):
        hub = self.hub(env={"KYANITE_DRAIN_TIMEOUT_SECONDS": "120"})
        fill(hub)
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(self.ask_quietly, hub, f"n{number}") for number in range(8)]
            time.sleep(0.05)
            began = time.monotonic()
            self.assertEqual(hub.stop(timeout=100), 0)
            self.assertLess(time.monotonic() - began, 60)
            for answer in asked:
                answer.result(30)
        self.assert_nothing_left(hub.data / "backups")

    def test_a_full_disk_under_the_copy_gives_a_clear_error_and_leaves_nothing(self):
        hub = self.hub()
        fill(hub)
        for _ in range(10):
            send_telemetry(hub, "d1", os.urandom(100_000).hex())
        with small_disk(self.folder / "disk", 1) as disk:
            self.assert_refused(self.backup(hub, disk / "copy"), "No space left on device")
            self.assertEqual(list(disk.iterdir()), [])
        self.assertEqual(hub.rest("GET", "/kyanite/v1/backups")[1]["backups"], [])

    def test_a_hub_on_a_full_disk_refuses_a_backup_and_goes_on(self):
        with small_disk(self.folder / "disk", 192) as disk:
            hub = self.hub(data="disk/data", env={"KYANITE_STORAGE_FREE_BYTES_FLOOR": "1000000"}, start=False)
            hub.log_file = self.folder / "hub.log"
            hub.start()
            fill(hub)
            fill_disk(disk, 40 * MIB)
            self.assert_refused(self.cli(hub, "backup", "--name", "x"), "bytes free")
            send_telemetry(hub, "d1", "still there")
            self.assertEqual([path for path in (hub.data / "backups").iterdir()], [])
            (disk / "filler").unlink()
            self.done(self.cli(hub, "backup", "--name", "x"))
            self.assertEqual(hub.stop(), 0)


class StoppedHub(BackupCase):
    def filled(self, data="data"):
        hub = self.hub(data=data)
        fill(hub)
        state = state_of(hub)
        return hub, state

    def test_a_stopped_hub_is_backed_up_from_its_directory(self):
        hub, before = self.filled()
        for end in (hub.kill, hub.stop):  # of a killed one hub.json is still there
            end()
            target = self.folder / f"copy-{end.__name__}"
            self.assert_refused(run("backup", "--data", hub.data), "no hub runs", code=2)
            self.done(self.backup(hub, target))
            self.check(target)
            self.done(self.restore(target, f"data-{end.__name__}"))
            restored = self.hub(data=f"data-{end.__name__}")
            self.assertEqual(state_of(restored), before)
            restored.stop()
            hub.start()

    def test_a_directory_without_a_hub_is_refused(self):
        (self.folder / "empty").mkdir()
        self.assert_refused(run("backup", self.folder / "copy", "--data", self.folder / "empty"), "no running hub")
        self.assertEqual(list((self.folder / "empty").iterdir()), [])

    def test_restore_takes_no_running_hub_and_no_directory_that_is_used_unless_told(self):
        hub, before = self.filled()
        target = self.folder / "copy"
        self.done(self.backup(hub, target))
        self.assert_refused(self.restore(target, "data", "--replace"), "in use by another hub")
        hub.create_device("later")
        hub.stop()
        self.assert_refused(self.restore(target, "data"), "holds a hub already", "--replace")
        hub.start()
        self.assertEqual(hub.rest("GET", f"/devices/later?{API}")[0], 200)
        hub.stop()
        self.done(self.restore(target, "data", "--replace"))
        self.assertEqual([path.name for path in hub.data.iterdir() if path.name.startswith("restore.")], [])
        hub.start()
        self.assertEqual(state_of(hub), before)

    def test_what_is_no_good_backup_changes_nothing(self):
        hub, _ = self.filled()
        good = self.folder / "good"
        self.done(self.backup(hub, good))
        hub.stop()
        before = sorted((path, path.stat().st_size) for path in hub.data.rglob("*") if path.name != "lock")

        def damaged(name, change):
            bad = self.folder / name
            shutil.copytree(good, bad)
            change(bad)
            return bad

        def edit(bad, change):
            manifest = json.loads((bad / "manifest.json").read_text())
            change(manifest)
            (bad / "manifest.json").write_text(json.dumps(manifest))

        def flip(bad):
            table = max((bad / "store").glob("*.sst"), key=lambda path: path.stat().st_size)
            content = bytearray(table.read_bytes())
            content[len(content) // 2] ^= 1
            table.write_bytes(content)

        cases = [
            ("flipped", flip, "is not what the manifest says"),
            ("short", lambda bad: os.truncate(max((bad / "store").glob("*.sst")), 10), "is not what the manifest says"),
            ("gone", lambda bad: (bad / "pki" / "ca.key").unlink(), "ca.key"),
            ("newer-store", lambda bad: edit(bad, lambda m: m.update(storeFormat=99)), "has format 99"),
            ("newer-manifest", lambda bad: edit(bad, lambda m: m.update(format=2)), "newer program"),
            ("traversal", lambda bad: edit(bad, lambda m: m["files"][0].update(path="store/../../evil")), "outside of the backup"),
            ("absolute", lambda bad: edit(bad, lambda m: m["files"][0].update(path="/etc/passwd")), "outside of the backup"),
            ("twice", lambda bad: edit(bad, lambda m: m["files"].append(m["files"][0])), "twice"),
            ("no-json", lambda bad: (bad / "manifest.json").write_text("{"), "is not JSON"),
            ("no-manifest", lambda bad: (bad / "manifest.json").unlink(), "is no backup"),
            ("link", lambda bad: ((bad / "pki" / "ca.key").unlink(), (bad / "pki" / "ca.key").symlink_to("/etc/passwd")), "ca.key"),
        ]
        for name, change, text in cases:
            with self.subTest(name):
                self.assert_refused(self.restore(damaged(name, change), "data", "--replace"), text)
                after = sorted((path, path.stat().st_size) for path in hub.data.rglob("*") if path.name != "lock")
                self.assertEqual(after, before)
        self.assert_refused(self.restore(self.folder / "nowhere", "fresh"), "is no backup")
        self.assertFalse((self.folder / "fresh").exists())

    def test_a_restore_killed_at_any_moment_leaves_the_old_or_the_new_hub(self):
        hub, _ = self.filled()
        for _ in range(20):
            send_telemetry(hub, "d1", "x" * 200_000)
        target = self.folder / "copy"
        self.done(self.backup(hub, target))
        # The old state has a device that the backup lacks.
        hub.create_device("old")
        hub.stop()
        old = self.folder / "old"
        shutil.copytree(hub.data, old)
        began = time.monotonic()
        self.done(self.restore(target, "data", "--replace"))
        whole = time.monotonic() - began
        outcomes = {"old": 0, "new": 0}
        for attempt in range(8):
            shutil.rmtree(hub.data)
            shutil.copytree(old, hub.data)
            process = subprocess.Popen([PROGRAM, "restore", str(target), "--data", str(hub.data), "--replace"], env=environment(),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(whole * (0.2 + attempt * 0.13 + random.uniform(0, 0.1)))
            process.kill()
            process.wait()
            hub.start()
            outcome = "old" if hub.rest("GET", f"/devices/old?{API}")[0] == 200 else "new"
            outcomes[outcome] += 1
            self.assertEqual(hub.rest("GET", f"/devices/d1?{API}")[0], 200)
            self.assertEqual([path.name for path in hub.data.iterdir() if path.name.startswith("restore.")], [])
            self.assertEqual(hub.stop(), 0)
            self.check(hub.data)
        print(f"killed restores left {outcomes}")

    def test_a_restore_on_a_full_disk_leaves_the_old_hub(self):
        source, _ = self.filled(data="source")
        for _ in range(60):
            send_telemetry(source, "d1", os.urandom(100_000).hex())
        target = self.folder / "copy"
        self.done(self.backup(source, target))
        source.stop()
        with small_disk(self.folder / "disk", 24) as disk:
            hub = self.hub(data="disk/data", env={"KYANITE_STORAGE_FREE_BYTES_FLOOR": "0"}, start=False)
            hub.log_file = self.folder / "hub.log"
            hub.start()
            hub.create_device("old")
            hub.stop()
            fill_disk(disk, 3 * MIB)
            self.assert_refused(self.restore(target, "disk/data", "--replace"), "No space left on device")
            self.assertEqual([path.name for path in hub.data.iterdir() if path.name.startswith("restore.")], [])
            hub.start()
            self.assertEqual(hub.rest("GET", f"/devices/old?{API}")[0], 200)
            hub.stop()

    @unittest.skipUnless(os.geteuid() == 0, "only root gives files away")
    def test_a_restore_by_root_belongs_to_the_owner_of_the_directory(self):
        hub, _ = self.filled()
        target = self.folder / "copy"
        self.done(self.backup(hub, target))
        data = self.folder / "theirs"
        data.mkdir(mode=0o700)
        os.chown(data, 4321, 4322)
        self.done(self.restore(target, "theirs"))
        owners = {(path.stat().st_uid, path.stat().st_gid) for path in data.rglob("*")}
        self.assertEqual(owners, {(4321, 4322)})
