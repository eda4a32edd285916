#include "server/api/registry_export.h"

#include <algorithm>
#include <utility>

#include "server/api/bulk_item.h"

namespace kyanite {
namespace {

constexpr std::size_t kExportPage = 64;  // devices
constexpr unsigned kUnfinishedPercentMax = 99;

bool is_gone(const Error& error) {
  return error.code == Errc::device_not_found || error.code == Errc::module_not_found;
}

}  // namespace

RegistryExport::RegistryExport(Executor& executor, Stores& stores, std::shared_ptr<BlobOutput> output,
                               bool with_keys, TransferHooks hooks)
    : executor_(executor),
      stores_(stores),
      output_(std::move(output)),
      with_keys_(with_keys),
      hooks_(std::move(hooks)) {}

template <class T, class Step>
Reply<T> RegistryExport::then(Step step) {
  return Reply<T>(executor_, [self = shared_from_this(), step = std::move(step)](Result<T> result) mutable {
    if (!self->cancelled_) step(std::move(result));
  });
}

void RegistryExport::start() {
  stores_.identities().counts(then<IdentityCounts>([this](Result<IdentityCounts> counts) {
    if (!counts) return finish(counts.error());
    devices_ = counts->devices;
    next_page();
  }));
}

void RegistryExport::next_page() {
  stores_.identities().scan(after_, kExportPage, then<std::vector<IdentityRecord>>([this](auto page) {
                              if (!page) return finish(page.error());
                              page_ = std::move(*page);
                              at_ = 0;
                              if (page_.empty()) return append(&RegistryExport::end);
                              after_ = page_.back().id.device;
                              next_device();
                            }));
}

void RegistryExport::next_device() {
  if (at_ == page_.size()) return next_page();
  if (devices_ > 0) {
    const auto percent = static_cast<unsigned>(std::min<std::uint64_t>(written_ * 100 / devices_, 100));
    hooks_.progress(std::min(percent, kUnfinishedPercentMax));
  }
  ++written_;
  stores_.identities().load(page_[at_++].id.device, then<DeviceRecords>([this](Result<DeviceRecords> device) {
                              if (!device && is_gone(device.error())) return next_device();
                              if (!device) return finish(device.error());
                              identities_ = std::move(device->modules);
                              std::reverse(identities_.begin(), identities_.end());
                              identities_.push_back(std::move(device->device));
                              next_identity();
                            }));
}

void RegistryExport::next_identity() {
  if (identities_.empty()) return next_device();
  if (pending_.size() >= kBlobPieceBytes) return append(&RegistryExport::next_identity);
  stores_.twins().load(identities_.back().id, then<TwinRecord>([this](Result<TwinRecord> twin) {
                         if (!twin && !is_gone(twin.error())) return finish(twin.error());
                         const IdentityRecord identity = std::move(identities_.back());
                         identities_.pop_back();
                         if (!twin) return next_identity();
                         const Result<Json> line = registry_item_to_json(identity, *twin, with_keys_);
                         if (!line) return finish(line.error());
                         pending_ += dump_json(*line);
                         pending_ += '\n';
                         next_identity();
                       }));
}

void RegistryExport::append(void (RegistryExport::*step)()) {
  if (pending_.empty()) return (this->*step)();
  output_->append(std::exchange(pending_, {}), then<void>([this, step](Result<void> appended) {
                    if (!appended) return finish(appended.error());
                    (this->*step)();
                  }));
}

void RegistryExport::end() {
  output_->finish(then<void>([this](Result<void> finished) { finish(std::move(finished)); }));
}

void RegistryExport::finish(Result<void> result) {
  cancelled_ = true;  // whatever else comes
  output_.reset();
  hooks_.done(std::move(result));
}

}  // namespace kyanite
