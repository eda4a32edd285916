#pragma once

#include <optional>
#include <string>
#include <utility>

#include "protocol/base/json_limits.h"

namespace kyanite {

// What an expression yields: a value of the row or of the query that is only looked at, a value made on the
// way, or nothing (undefined). Valid as long as the row and the query.
class QueryValue {
 public:
  QueryValue() = default;
  QueryValue(Json made) : made_(std::move(made)) {}  // NOLINT(google-explicit-constructor): a value is one
  static QueryValue seen(const Json& value) {
    QueryValue looked_at;
    looked_at.seen_ = &value;
    return looked_at;
  }

  const Json* json() const { return made_ ? &*made_ : seen_; }  // nullptr: undefined
  bool is_true() const {
    const Json* value = json();
    return value && value->is_boolean() && value->get<bool>();
  }

 private:
  const Json* seen_ = nullptr;
  std::optional<Json> made_;
};

// Equality of spec service-rest.md 6.5: by type and value, numbers by their value, members in any order.
bool same_query_value(const Json& a, const Json& b);

// Whether a < b: numbers among numbers, texts among texts by their bytes; anything else has no order.
bool query_less(const Json& a, const Json& b);

// A number as JSON: a whole one up to 2^53 as an integer. Undefined for what JSON cannot hold.
QueryValue query_number(double value);

// One text for all values that are the same, as a key of groups.
std::string query_key(const Json& value);

}  // namespace kyanite
