#include "server/hub/device_router.h"

#include <utility>

#include "server/hub/device_directory.h"

namespace kyanite {
namespace {

struct DeviceOf {
  const std::string& operator()(const PutIdentity& m) const { return m.wanted.id.device; }
  const std::string& operator()(const ListModules& m) const { return m.device; }
  const std::string& operator()(const SendC2d& m) const { return m.message.device; }
  template <class M>
  const std::string& operator()(const M& m) const {
    return m.identity.device;
  }
};

}  // namespace

const std::string& device_of(const DeviceMessage& message) { return std::visit(DeviceOf{}, message); }

DeviceRouter::DeviceRouter(std::vector<ShardPorts> shards) : shards_(std::move(shards)) {
  KYANITE_ASSERT(!shards_.empty());
  for (ShardPorts& ports : shards_) ports.directory->bind_router(*this);
}

void DeviceRouter::bind_connections(ShardIndex shard, ConnectionPort& port) {
  shards_[shard.value].connections = &port;
}

ShardIndex DeviceRouter::owner_of(std::string_view device) const {
  return ShardIndex{static_cast<std::uint16_t>(stable_hash(device) % shards_.size())};
}

void DeviceRouter::send(DeviceMessage message) {
  const ShardPorts& ports = shards_[owner_of(device_of(message)).value];
  ports.executor->post([directory = ports.directory, message = std::move(message)]() mutable {
    directory->receive(std::move(message));
  });
}

void DeviceRouter::send(ConnectionRef connection, ConnectionMessage message) {
  const ShardPorts& ports = shards_[connection.shard.value];
  KYANITE_ASSERT(ports.connections != nullptr);
  ports.executor->post([port = ports.connections, connection, message = std::move(message)]() mutable {
    port->deliver(connection, std::move(message));
  });
}

void DeviceRouter::ask(ShardIndex shard, ShardQuery query) {
  const ShardPorts& ports = shards_[shard.value];
  ports.executor->post([directory = ports.directory, query = std::move(query)]() mutable {
    directory->answer(std::move(query));
  });
}

}  // namespace kyanite
