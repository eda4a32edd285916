#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "storage/memory/memory_stores.h"
#include "storage/rocksdb/rocksdb_stores.h"
#include "tests/support/store_helpers.h"

namespace kyanite {

// One engine under the contract suite: a store that can be closed and opened again. Its wall clock is home's.
class StoreEngine {
 public:
  virtual ~StoreEngine() = default;
  virtual Stores& stores() = 0;
  virtual void reopen() = 0;  // as after an orderly end of the process

  ManualExecutor home;
};

class MemoryEngine final : public StoreEngine {
 public:
  Stores& stores() override { return stores_; }
  void reopen() override {
    stores_.close();
    stores_.crash();  // the same object serves as the disk
  }

 private:
  MemoryStores stores_{home};
};

class RocksdbEngine final : public StoreEngine {
 public:
  RocksdbEngine() { open(); }
  Stores& stores() override { return *stores_; }
  void reopen() override {
    stores_->close();
    stores_.reset();
    open();
  }

 private:
  void open() {
    RocksdbHooks hooks;
    hooks.wall_clock = [this] { return home.wall_now(); };
    hooks.free_bytes = [] { return UINT64_MAX; };  // whatever the machine has
    auto opened = open_rocksdb_stores(directory_.path() / "store", Settings::Storage{}, std::move(hooks));
    KYANITE_ASSERT(opened.has_value());
    stores_ = std::move(*opened);
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Stores> stores_;
};

struct EngineKind {
  const char* name;
  std::function<std::unique_ptr<StoreEngine>()> make;
};
inline std::ostream& operator<<(std::ostream& out, const EngineKind& kind) { return out << kind.name; }

// Every suite of this folder is instantiated with these.
inline const EngineKind kEngineKinds[] = {
    {"memory", [] { return std::make_unique<MemoryEngine>(); }},
    {"rocksdb", [] { return std::make_unique<RocksdbEngine>(); }},
};

}  // namespace kyanite
