#include "tests/sim/twin_checker.h"

#include "tests/sim/telemetry_checker.h"

namespace kyanite::sim {
namespace {

std::string text_of(const TwinPatch& patch) {
  return "patch " + std::to_string(patch.number) + " of " + name_of(patch.identity) +
         (patch.section == Section::reported ? " reported." : " desired.") + patch.key;
}

}  // namespace

std::string TwinChecker::generation_of(const Identity& identity, const MemoryState& state) const {
  const auto record = state.identities.find(identity);
  if (record == state.identities.end()) return {};
  const auto ends = ends_.find(identity);
  return record->second.generation_id + "#" + std::to_string(ends == ends_.end() ? 0 : ends->second);
}

std::uint64_t TwinChecker::version_of(const TwinRecord& twin, Section section) {
  return section == Section::reported ? twin.reported_version : twin.desired_version;
}

void TwinChecker::sent(const TwinPatch& patch, const MemoryState& state) {
  patches_[patch.number] = {patch, generation_of(patch.identity, state)};
}

void TwinChecker::accepted(std::uint64_t number, std::uint64_t version, const MemoryState& state) {
  Patch& patch = patches_[number];
  // One that met the end of its identity says nothing of the next one, and neither does one that was sent
  // before there was any: the identity it met may have gone again by now.
  if (patch.generation.empty() || patch.generation != generation_of(patch.patch.identity, state)) return;
  patch.outcome = Outcome::accepted;
  patch.version = version;
  const auto twin = state.twins.find(patch.patch.identity);
  const std::uint64_t stored = twin == state.twins.end() ? 0 : version_of(twin->second, patch.patch.section);
  judge_.require(version <= stored, text_of(patch.patch) + " is stored when it is accepted as version " +
                                        std::to_string(version));
  auto& numbers = accepted_[{patch.patch.identity, {patch.generation, patch.patch.section}}];
  judge_.require(numbers.emplace(version, number).second,
                 text_of(patch.patch) + " has version " + std::to_string(version) + " for itself");
}

void TwinChecker::refused(std::uint64_t number) { patches_[number].outcome = Outcome::refused; }

void TwinChecker::on_commit(const MemoryState& state) {
  std::erase_if(versions_, [&](const auto& known) {
    if (state.twins.contains(known.first)) return false;
    ++ends_[known.first];
    return true;
  });
  for (const auto& [identity, twin] : state.twins) {
    Versions& known = versions_[identity];
    const std::string name = "the twin of " + name_of(identity);
    const std::string generation = generation_of(identity, state);
    if (known.generation == generation) {
      judge_.require(known.version <= twin.version && known.reported <= twin.reported_version &&
                         known.desired <= twin.desired_version,
                     name + " never goes back");
    }
    judge_.require(twin.version - 2 == (twin.reported_version - 1) + (twin.etag_counter - 1),
                   name + " counts each update once");
    judge_.require(twin.desired_version <= twin.etag_counter, name + " moves its etag with desired");
    known = {generation, twin.version, twin.reported_version, twin.desired_version};
  }
}

void TwinChecker::read(const Identity& identity, const std::string& generation, Section section,
                       std::uint64_t version, const MemoryState& state) {
  const auto twin = state.twins.find(identity);
  if (twin == state.twins.end() || generation != generation_of(identity, state)) return;
  judge_.require(version <= version_of(twin->second, section),
                 "a twin is read as it is stored: " + name_of(identity));
}

void TwinChecker::notified(const Identity& identity, std::uint64_t connection, const Json& body,
                           const MemoryState& state) {
  const std::string name = "a notification of " + name_of(identity);
  const Json* version_member = find_member(body, "$version");
  judge_.require(version_member && version_member->is_number_unsigned(), name + " has its version");
  if (!version_member || !version_member->is_number_unsigned()) return;
  const auto version = version_member->get<std::uint64_t>();
  std::uint64_t& newest = notified_[connection];
  judge_.require(
      newest == 0 || newest + 1 == version,
      name + " follows the one before: " + std::to_string(newest) + ", " + std::to_string(version));
  newest = version;
  const auto twin = state.twins.find(identity);
  judge_.require(twin == state.twins.end() || version <= twin->second.desired_version,
                 name + " is of a stored version");
  const auto known = accepted_.find({identity, {generation_of(identity, state), Section::desired}});
  if (known == accepted_.end() || !known->second.contains(version)) return;
  const TwinPatch& patch = patches_.at(known->second.at(version)).patch;
  const Json* value = find_member(body, patch.key);
  judge_.require(value && (patch.removes ? value->is_null() : *value == patch.number),
                 name + " says what version " + std::to_string(version) + " changed");
}

void TwinChecker::check(const MemoryState& state) {
  for (const auto& [identity, twin] : state.twins) {
    const std::string generation = generation_of(identity, state);
    check_section(identity, Section::reported, twin, generation);
    check_section(identity, Section::desired, twin, generation);
  }
}

void TwinChecker::check_section(const Identity& identity, Section section, const TwinRecord& twin,
                                const std::string& generation) {
  const std::string name = name_of(identity) + (section == Section::reported ? " reported" : " desired");
  const auto& numbers = accepted_[{identity, {generation, section}}];
  const std::uint64_t version = version_of(twin, section);
  // Versions nobody was told of: patches whose answer was lost.
  const std::uint64_t untold = version - 1 - numbers.size();
  std::size_t open = 0;
  std::map<std::string, std::uint64_t> last;  // accepted version by key
  std::uint64_t replaced = 0;                 // by which accepted version last
  for (const auto& [number, patch] : patches_) {
    if (patch.patch.identity != identity || patch.patch.section != section) continue;
    if (patch.outcome == Outcome::open) ++open;
    if (patch.outcome == Outcome::accepted && patch.generation == generation) {
      last[patch.patch.key] = std::max(last[patch.patch.key], patch.version);
      if (patch.patch.replaces) replaced = std::max(replaced, patch.version);
    }
  }
  for (auto& [key, newest] : last) newest = std::max(newest, replaced);
  judge_.require(numbers.size() <= version - 1 && untold <= open,
                 name + " has a version for each patch only");
  const auto has_untold_after = [&](std::uint64_t after) {
    std::uint64_t told = 0;
    for (auto it = numbers.upper_bound(after); it != numbers.end(); ++it) ++told;
    return version - std::max<std::uint64_t>(after, 1) > told;
  };
  const auto document = parse_json(section == Section::reported ? twin.reported : twin.desired);
  judge_.require(document && document->is_object(), name + " can be read");
  if (!document || !document->is_object()) return;
  for (auto member = document->begin(); member != document->end(); ++member) {
    const std::string& key = member.key();
    const auto number = member->is_number_unsigned() ? member->get<std::uint64_t>() : 0;
    const auto found = patches_.find(number);
    const bool known = found != patches_.end() && found->second.patch.identity == identity &&
                       found->second.patch.section == section && found->second.patch.key == key;
    judge_.require(known, name + "." + key + " was written by a patch of it");
    if (!known) continue;
    const Patch& patch = found->second;
    judge_.require(patch.outcome != Outcome::refused,
                   text_of(patch.patch) + " was refused and changed nothing");
    const auto touched = last.find(key);
    const std::uint64_t newest = touched == last.end() ? replaced : touched->second;
    if (patch.outcome == Outcome::accepted) {
      judge_.require(patch.version == newest || (patch.generation != generation),
                     text_of(patch.patch) + " was overwritten by version " + std::to_string(newest) +
                         " and is still there");
    } else if (patch.outcome == Outcome::open) {
      judge_.require(has_untold_after(newest), name + "." + key + " is not older than version " +
                                                   std::to_string(newest) + ", which was accepted");
    }
  }
  for (const auto& [key, newest] : last) {
    if (newest == 0 || document->contains(key)) continue;
    const Patch& patch = patches_.at(numbers.at(newest));
    const bool removed = patch.patch.removes || (patch.patch.replaces && patch.patch.key != key);
    judge_.require(removed || has_untold_after(newest), text_of(patch.patch) + " is not lost");
  }
}

}  // namespace kyanite::sim
