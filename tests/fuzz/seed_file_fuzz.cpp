// A start file yields items that can be carried out, each once, and problems with a line of the file; what an
// item became is read back as the same item.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string_view>

#include "protocol/base/assert.h"
#include "server/api/bulk_item.h"
#include "server/api/registry_job.h"
#include "server/api/seed_file.h"
#include "server/hub/identity_rules.h"
#include "server/hub/twin_record.h"

namespace {

constexpr kyanite::WallTime kNow{std::chrono::milliseconds(1'790'000'000'000)};

void check_item(const kyanite::RegistryItem& item) {
  using namespace kyanite;
  KYANITE_ASSERT(!item.fault.has_value());
  const auto twin = initial_twin({item.tags.value_or(Json::object()), item.desired.value_or(Json::object()),
                                  item.reported.value_or(Json::object())},
                                 kNow);
  if (!twin) return;  // over its size
  const IdentityRecord record = create_record(item.wanted, kNow, true);
  const auto line = registry_item_to_json(record, *twin, true);
  KYANITE_ASSERT(line.has_value());
  const auto again = parse_registry_item(*line);
  KYANITE_ASSERT(again.has_value() && !again->fault);
  KYANITE_ASSERT(again->wanted.id == item.wanted.id);
  KYANITE_ASSERT(again->wanted.primary_key == record.primary_key);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const kyanite::SeedFile file = kyanite::parse_seed_file(text);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  std::set<kyanite::Identity> listed;
  for (const kyanite::SeedItem& seed : file.items) {
    KYANITE_ASSERT(seed.line >= 1 && seed.line <= lines);
    KYANITE_ASSERT(listed.insert(seed.item.wanted.id).second);
    check_item(seed.item);
  }
  if (const auto job = kyanite::parse_registry_job_request(text)) {
    KYANITE_ASSERT(!job->output_container.empty() && !job->job.output_name.empty());
  }
  (void)kyanite::decode_registry_job(text);
  return 0;
}
