#include "server/api/registry_import.h"

#include <algorithm>
#include <utility>

#include "protocol/base/error_catalog.h"
#include "protocol/base/json_text.h"
#include "protocol/base/limits.h"
#include "server/api/api_response.h"
#include "server/api/bulk_item.h"

namespace kyanite {
namespace {

constexpr unsigned kUnendedPercentMax = 99;
constexpr milliseconds kBusyPause{250};
constexpr unsigned kBusyTriesMax = 240;  // a minute

}  // namespace

RegistryImport::RegistryImport(Executor& executor, RegistryService& registry,
                               std::shared_ptr<BlobInput> input, std::shared_ptr<BlobOutput> errors,
                               std::string error_lines, TransferHooks hooks)
    : executor_(executor),
      registry_(registry),
      input_(std::move(input)),
      errors_(std::move(errors)),
      hooks_(std::move(hooks)),
      error_lines_(std::move(error_lines)) {}

template <class T, class Step>
Reply<T> RegistryImport::then(Step step) {
  return Reply<T>(executor_, [self = shared_from_this(), step = std::move(step)](Result<T> result) mutable {
    if (!self->cancelled_) step(std::move(result));
  });
}

// Takes lines until a request is full, the text is used up, or errors wait to be written.
void RegistryImport::work() {
  for (;;) {
    if (error_lines_.size() >= kBlobPieceBytes) return write_errors();
    if (batch_.size() >= limits::kBulkItemsMax) return apply();
    if (take_line()) continue;
    if (batch_.size() > 0 && repeated_) return apply();
    if (!at_end_) return read();
    if (!batch_.empty()) return apply();
    if (!error_lines_.empty()) return write_errors();
    return errors_->finish(then<void>([this](Result<void> finished) { finish(std::move(finished)); }));
  }
}

void RegistryImport::read() {
  text_.erase(0, std::exchange(taken_, 0));
  input_->read(then<std::string>([this](Result<std::string> piece) {
    if (!piece) return finish(piece.error());
    at_end_ = piece->empty();
    bytes_ += piece->size();
    text_ += *piece;
    if (input_->size() > 0) {
      const auto percent = static_cast<unsigned>(std::min<std::uint64_t>(bytes_ * 100 / input_->size(), 100));
      hooks_.progress(std::min(percent, kUnendedPercentMax));
    }
    work();
  }));
}

// False when there is no whole line, or when its identity waits in the batch already.
bool RegistryImport::take_line() {
  const std::size_t end = text_.find('\n', taken_);
  if (end == std::string::npos && !at_end_) {
    if (text_.size() - taken_ <= kImportLineBytesMax) return false;
    if (!std::exchange(skipping_, true)) note({}, Error(Errc::format_error, "the line is too long"));
    taken_ = text_.size();
    return false;
  }
  if (taken_ == text_.size()) return false;
  const std::size_t stop = std::min(end, text_.size());
  std::string_view line = std::string_view(text_).substr(taken_, stop - taken_);
  if (skipping_) line = {};
  if (!take(line)) return false;
  skipping_ = false;
  taken_ = std::min(stop + 1, text_.size());
  return true;
}

bool RegistryImport::take(std::string_view line) {
  line = without_byte_order_mark(line);
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return true;
  Result<Json> json = parse_json(line, limits::kJsonDepthMax, HugeIntegers::refused);
  if (!json) return note({}, json.error()), true;
  Result<RegistryItem> item = parse_registry_item(std::move(*json));
  if (!item) return note({}, item.error()), true;
  // One request holds an identity once; the lines of a blob may hold it again.
  repeated_ = !in_batch_.insert(item->wanted.id).second;
  if (repeated_) return false;
  batch_.push_back(std::move(*item));
  return true;
}

void RegistryImport::apply() {
  sent_ = std::exchange(batch_, {});
  in_batch_.clear();
  repeated_ = false;
  apply_items(executor_, registry_, sent_, then<ItemErrors>([this](Result<ItemErrors> outcomes) {
                if (!outcomes) return finish(outcomes.error());
                on_applied(*outcomes);
              }));
}

void RegistryImport::on_applied(const ItemErrors& outcomes) {
  std::set<std::string> busy;  // devices that are not there yet for their modules
  std::vector<RegistryItem> again;
  const bool may_try = ++tries_ < kBusyTriesMax;
  for (std::size_t i = 0; i < sent_.size(); ++i) {
    if (!outcomes[i]) continue;
    const Identity id = sent_[i].wanted.id;
    const bool waits =
        id.is_module() && outcomes[i]->code == Errc::device_not_found && busy.contains(id.device);
    if (may_try && (waits || outcomes[i]->code == Errc::busy)) {
      busy.insert(id.device);
      again.push_back(std::move(sent_[i]));
    } else {
      note(id, *outcomes[i]);
    }
  }
  sent_.clear();
  if (again.empty()) {
    tries_ = 0;
    return work();
  }
  batch_ = std::move(again);
  executor_.after(kBusyPause, [self = shared_from_this()] {
    if (!self->cancelled_) self->apply();
  });
}

void RegistryImport::note(const Identity& id, const Error& error) {
  Json line;
  line["deviceId"] = id.device;
  if (id.is_module()) line["moduleId"] = id.module;
  line["errorCode"] = error_row(error.code).number;
  line["errorStatus"] = error_sentence(error);
  error_lines_ += dump_json(line);
  error_lines_ += '\n';
}

void RegistryImport::write_errors() {
  errors_->append(std::exchange(error_lines_, {}), then<void>([this](Result<void> appended) {
                    if (!appended) return finish(appended.error());
                    work();
                  }));
}

void RegistryImport::finish(Result<void> result) {
  cancelled_ = true;  // whatever else comes
  input_.reset();
  errors_.reset();
  hooks_.done(std::move(result));
}

}  // namespace kyanite
