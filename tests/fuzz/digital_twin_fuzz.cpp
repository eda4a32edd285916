// Three lines: desired and reported properties and a JSON Patch. The document can be made of any twin. An
// accepted patch leaves a twin that keeps its rules.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/base/assert.h"
#include "protocol/twin/digital_twin.h"
#include "protocol/twin/twin_merge.h"
#include "protocol/twin/twin_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kyanite;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t first = input.find('\n');
  if (first == std::string_view::npos) return 0;
  const std::size_t second = input.find('\n', first + 1);
  if (second == std::string_view::npos) return 0;
  const Result<Json> desired = parse_reported_patch(input.substr(0, first));
  const Result<Json> reported = parse_reported_patch(input.substr(first + 1, second - first - 1));
  TwinDocument twin;
  if (desired) (void)twin.merge({std::nullopt, *desired}, kNever);
  if (reported) (void)twin.patch_reported(*reported, kNever);
  KYANITE_ASSERT(parse_json(dump_json(digital_twin_document("d", "m", twin))));

  const Result<Json> patch = desired_patch_of_digital_twin(input.substr(second + 1), twin);
  if (!patch) return 0;
  if (!twin.merge({std::nullopt, *patch}, kNever)) return 0;
  KYANITE_ASSERT(check_section(twin.desired.values, TwinSection::desired, Nulls::refused));
  KYANITE_ASSERT(parse_json(dump_json(digital_twin_document("d", "m", twin))));
  return 0;
}
