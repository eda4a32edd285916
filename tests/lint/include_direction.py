#!/usr/bin/env python3
"""Checks that include lines follow the arrows of ARCHITECTURE.md.

Each module may include itself and the modules listed for it; pure modules may include no Asio, Beast, socket,
thread, clock or file header. Prints every offending line and fails if there is one.
"""
import os
import re
import sys

# module -> modules it may include besides itself. The longest matching folder decides which module a file is in.
ALLOWED = {
    "protocol/base": [],
    "protocol/mqtt": ["protocol/base"],
    "protocol/amqp": ["protocol/base"],
    "protocol/topics": ["protocol/base"],
    "protocol/auth": ["protocol/base"],
    "protocol/twin": ["protocol/base"],
    "protocol/query": ["protocol/base"],
    "protocol/http": ["protocol/base", "protocol/auth"],
    "config": ["protocol/base"],
    "storage": ["protocol/base", "protocol/auth", "protocol/topics"],
    "storage/memory": ["storage", "protocol/base"],
    "storage/rocksdb": ["storage", "config", "protocol/base"],
    "server/hub": ["protocol", "storage", "config"],
    "server/blobs": ["server/hub", "protocol", "storage", "config"],
    "server/device": ["server/hub", "protocol", "storage", "config"],
    "server/amqp": ["server/hub", "protocol", "storage", "config"],
    "server/runtime": ["protocol/base"],
    "server/net": ["server/runtime", "protocol/base"],
    "server/http": ["server/net", "server/runtime", "protocol"],
    "server/dashboard": ["protocol"],
    "server/api": ["server/dashboard", "server/hub", "protocol", "storage", "config"],
    "server/admin": ["server/api", "server/hub", "protocol", "storage", "config"],
    "server/observe": ["protocol/base", "config"],
    "server/app": ["server", "storage", "config", "protocol"],
}

PURE = ["protocol", "config", "storage", "storage/memory", "server/hub", "server/device", "server/amqp", "server/api",
        "server/admin", "server/dashboard"]
IMPURE_FILES = {"config/load_file.cpp"}  # reads the file; parsing it is pure
FORBIDDEN = re.compile(
    r"^(boost/asio|boost/beast|sys/|netinet/|arpa/|netdb\.h|unistd\.h|poll\.h|fcntl\.h|thread$|mutex$|"
    r"condition_variable$|atomic$|fstream$|openssl/ssl\.h|rocksdb/)"
)
# ShardCheck compares thread ids in debug builds; that is its whole purpose.
# The rates are the whole hub's: Throttles counts in atomics what all shards take. So is the count of a fault.
PURE_EXCEPTIONS = {
    ("protocol/base/shard_check.h", "thread"),
    ("server/hub/throttles.h", "atomic"),
    ("server/hub/feedback_queue.h", "atomic"),  # whether anybody waits: asked on every shard, for each outcome
    ("server/hub/file_notification_queue.h", "atomic"),
    ("server/hub/fault_rule.h", "atomic"),
    ("server/admin/readiness.h", "atomic"),  # set by the main thread, asked on every shard
}

INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')


def module_of(path):
    best = ""
    for module in ALLOWED:
        if path.startswith(module + "/") and len(module) > len(best):
            best = module
    return best


def is_pure(module):
    return module in PURE or module.startswith("protocol/")


def violations_of(path, lines):
    module = module_of(path)
    found = []
    if not module:
        return found
    allowed = [module] + ALLOWED[module]
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(1)
        if re.match(r"^(protocol|config|storage|server|tests|bench)/", target):
            target_module = module_of(target)
            ok = target_module in allowed or any(target_module.startswith(a + "/") for a in ALLOWED[module])
            # An engine folder is not part of what "storage" gives to others.
            if target_module.startswith("storage/") and module not in (target_module, "server/app"):
                ok = False
            if not ok:
                found.append(f"{path}:{number}: {module} may not include {target}")
        elif is_pure(module) and path not in IMPURE_FILES and FORBIDDEN.match(target):
            if (path, target) not in PURE_EXCEPTIONS:
                found.append(f"{path}:{number}: pure module {module} may not include <{target}>")
    return found


def self_test():
    assert violations_of("protocol/mqtt/x.cpp", ['#include "server/hub/device_router.h"'])
    assert violations_of("server/hub/x.h", ["#include <boost/asio/io_context.hpp>"])
    assert violations_of("server/hub/x.h", ['#include "storage/rocksdb/database.h"'])
    assert violations_of("server/device/x.h", ["#include <thread>"])
    assert not violations_of("server/app/x.cpp", ['#include "storage/rocksdb/database.h"'])
    assert not violations_of("server/hub/x.cpp", ['#include "storage/stores.h"', "#include <vector>"])
    return 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = sys.argv[1]
    found = []
    files = 0
    for top in ("protocol", "config", "storage", "server"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if name.endswith((".h", ".cpp")):
                    path = os.path.relpath(os.path.join(folder, name), root)
                    files += 1
                    with open(os.path.join(folder, name), encoding="utf-8") as handle:
                        found += violations_of(path, handle.readlines())
    print("\n".join(found) or f"{files} files follow the include rules")
    if files == 0:
        print("no files were found: is the path right?")
        return 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
