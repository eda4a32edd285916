#include "server/app/cli/event_checkpoint.h"

#include <charconv>
#include <fstream>
#include <optional>
#include <utility>

#include "protocol/base/percent_encoding.h"
#include "server/app/first_start/files.h"

namespace kyanite::cli {
namespace {

Error damaged_checkpoint(const std::filesystem::path& file) {
  return Error(Errc::format_error,
               file.string() + " is no checkpoint of events; name another file, or remove it");
}

std::optional<std::uint64_t> number_at(const Json& event, const char* name) {
  const auto found = event.find(name);
  if (found == event.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

}  // namespace

EventCheckpoint::EventCheckpoint(std::filesystem::path file, Json all, std::string group)
    : file_(std::move(file)), all_(std::move(all)), group_(std::move(group)) {}

Result<EventCheckpoint> EventCheckpoint::load(std::filesystem::path file, std::string_view group) {
  std::error_code error;
  Json all = Json::object();
  if (std::filesystem::exists(file, error)) {
    const auto text = read_file(file);
    if (!text) return text.error();
    auto parsed = parse_json(*text);
    if (!parsed || !parsed->is_object()) return damaged_checkpoint(file);
    all = std::move(*parsed);
  }
  EventCheckpoint checkpoint(std::move(file), std::move(all), to_lower_ascii(group));
  const auto places = checkpoint.all_.find(checkpoint.group_);
  if (places == checkpoint.all_.end()) return checkpoint;
  if (!places->is_object()) return damaged_checkpoint(checkpoint.file_);
  for (const auto& [name, offset] : members_of(*places)) {
    std::uint64_t partition = 0;
    const auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), partition);
    if (bad != std::errc() || end != name.data() + name.size() || !offset.is_number_unsigned())
      return damaged_checkpoint(checkpoint.file_);
    checkpoint.next_[partition] = offset.get<std::uint64_t>();
  }
  return checkpoint;
}

std::string EventCheckpoint::places() const {
  std::string text;
  for (const auto& [partition, offset] : next_) {
    if (!text.empty()) text += ',';
    text += std::to_string(partition) + "@" + std::to_string(offset);
  }
  return text;
}

Result<void> EventCheckpoint::pass(std::string_view event_json) {
  const auto event = parse_json(event_json);
  if (!event || !event->is_object()) return {};
  const auto partition = number_at(*event, "partition");
  const auto offset = number_at(*event, "offset");
  if (!partition || !offset) return {};
  next_[*partition] = *offset + 1;
  Json& places = all_[group_] = Json::object();
  for (const auto& [number, next] : next_) places[std::to_string(number)] = next;
  return save();
}

Result<void> EventCheckpoint::save() const {
  const std::filesystem::path beside = file_.string() + ".new";
  std::ofstream out(beside, std::ios::trunc);
  out << all_.dump(2) << "\n";
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(beside, file_, error);
  if (!out || error) return Error(Errc::io_failed, "cannot write the checkpoint " + file_.string());
  return {};
}

}  // namespace kyanite::cli
