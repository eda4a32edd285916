#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/query/query.h"
#include "storage/records.h"

namespace kyanite {

// QueryTextFilter tells from the text of a twin's section that a condition cannot be true, without reading it
// as JSON: a property that equals a text has that text somewhere in its section. A value, never changed.
class QueryTextFilter {
 public:
  // Nothing for a condition of another form than PATH = 'text' or PATH IN ['text', ...] over tags or
  // properties.
  static std::optional<QueryTextFilter> of(const QueryExpression& condition);

  bool may_match(const TwinRecord& twin) const;

 private:
  explicit QueryTextFilter(std::string TwinRecord::*section) : section_(section) {}
  bool add(const Json& constant);

  std::string TwinRecord::*section_;
  std::vector<std::string> any_of_;  // with their quotes
};

}  // namespace kyanite
