#include "server/api/twin_json.h"

#include "server/hub/twin_row.h"

namespace kyanite {

Result<Json> twin_to_json(const IdentityView& view, const TwinRecord& twin) {
  return twin_row(TwinParts::whole(), view, twin);
}

}  // namespace kyanite
