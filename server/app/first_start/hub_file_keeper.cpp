#include "server/app/first_start/hub_file_keeper.h"

#include <unistd.h>

#include <utility>

#include "protocol/auth/connection_string.h"
#include "server/app/first_start/files.h"

namespace kyanite {
namespace {

constexpr mode_t kFileOwnerOnly = 0600;

}  // namespace

HubFileKeeper::HubFileKeeper(std::filesystem::path path, AccessPolicy owner)
    : path_(std::move(path)), owner_(std::move(owner)) {}

Result<HubFile> HubFileKeeper::publish(HubFile file) {
  const std::lock_guard lock(mutex_);
  published_ = std::move(file);
  if (auto done = write(); !done) return done.error();
  return *published_;
}

Result<void> HubFileKeeper::set_owner(const AccessPolicy& owner) {
  const std::lock_guard lock(mutex_);
  if (owner == owner_) return {};
  owner_ = owner;
  return published_ ? write() : Result<void>();
}

void HubFileKeeper::remove() {
  const std::lock_guard lock(mutex_);
  published_.reset();
  ::unlink(path_.c_str());
}

Result<void> HubFileKeeper::write() {
  published_->service_connection_string =
      service_connection_string(published_->host_name, published_->https_port, owner_);
  if (published_->amqps_port != 0) {
    published_->events_connection_string = events_connection_string(
        published_->events_host_name, published_->amqps_port, published_->events_entity, owner_);
  }
  if (published_->amqp_port != 0) {
    published_->events_emulator_connection_string = emulator_connection_string(
        published_->events_host_name, published_->amqp_port, published_->events_entity, owner_);
  }
  return write_file(path_, encode_hub_file(*published_), kFileOwnerOnly);
}

}  // namespace kyanite
