#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/hash.h"
#include "server/hub/device_messages.h"

namespace kyanite {

class DeviceDirectory;

// Where messages to connections go: each shard's connection table, behind its executor.
class ConnectionPort {
 public:
  virtual ~ConnectionPort() = default;
  // Runs on the shard of the connection.
  virtual void deliver(ConnectionRef connection, ConnectionMessage message) = 0;
};

// DeviceRouter sends values to the shard that owns a device, and to connections.
//
// Owner: the application; built before the shards start, immutable afterwards. Any thread may send.
class DeviceRouter {
 public:
  struct ShardPorts {
    Executor* executor = nullptr;
    DeviceDirectory* directory = nullptr;
    ConnectionPort* connections = nullptr;
  };
  // Binds itself to each directory; `connections` may be bound later.
  explicit DeviceRouter(std::vector<ShardPorts> shards);
  // The tables exist only after the router: set once during composition.
  void bind_connections(ShardIndex shard, ConnectionPort& port);

  std::size_t shard_count() const { return shards_.size(); }
  // shard = stable_hash(device id) % shards; modules live with their device.
  ShardIndex owner_of(std::string_view device) const;
  void send(DeviceMessage message);
  void send(ConnectionRef connection, ConnectionMessage message);
  // Asks one shard about all of its devices; lists and counts ask each.
  void ask(ShardIndex shard, ShardQuery query);
  Executor& executor(ShardIndex shard) const { return *shards_[shard.value].executor; }

 private:
  std::vector<ShardPorts> shards_;
};

}  // namespace kyanite
