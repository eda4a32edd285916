#pragma once

#include "protocol/base/result.h"
#include "protocol/twin/twin_document.h"
#include "server/hub/device_messages.h"
#include "storage/records.h"

// Between a twin as it is stored, in texts, and as it is worked on.
namespace kyanite {

// Errors: Errc::internal when a stored section cannot be read.
Result<TwinDocument> decode_twin(const TwinRecord& record);

// Parts of a record, when no more is looked at. Errors as above.
Result<Json> decode_twin_tags(const TwinRecord& record);
Result<TwinProperties> decode_twin_section(const std::string& values, const std::string& metadata,
                                           std::uint64_t version);

// The twin of an identity that is created with sections of its own: the counters of any new twin. What is
// null in them is left out. Errors: Errc::argument_invalid when a section is over its limit.
Result<TwinRecord> initial_twin(InitialTwin sections, WallTime now);

// Which texts of a record no longer say what the document says.
struct TwinSectionsChanged {
  bool tags = false;
  bool desired = false;
  bool reported = false;

  void add(const TwinChange& change) {
    tags |= change.tags.has_value();
    desired |= change.desired.has_value();
    reported |= change.reported.has_value();
  }
  bool any() const { return tags || desired || reported; }
};

// Brings the counters and the sections that changed into the record.
void encode_twin(const TwinDocument& twin, TwinSectionsChanged changed, TwinRecord& record);

}  // namespace kyanite
