#include "protocol/query/query_aggregation.h"

#include <algorithm>

#include "protocol/base/hash.h"
#include "protocol/base/limits.h"
#include "protocol/query/query_evaluator.h"

namespace kyanite {
namespace {

constexpr const char* kOnlyGroup = "*";
constexpr std::size_t kGroupBytes = 256;  // of the structures of a group
constexpr std::size_t kKeyBytes = 1024;

Error too_many_groups() {
  return Error(
      Errc::argument_invalid,
      "BadRequest: GROUP BY makes more groups than the hub adds up at once (10000 groups or 8 MiB of "
      "values). Narrow it with WHERE");
}

// Keys of groups are texts of JSON; this is none.
constexpr const char* kNoValue = "-";

}  // namespace

QueryAggregation::QueryAggregation(const Query& query) : query_(query) {
  if (query.group_by.empty()) groups_[kOnlyGroup].sums.resize(query.items.size());
}

Result<QueryAggregation::Group*> QueryAggregation::group_of(const Json& row) {
  if (query_.group_by.empty()) return &groups_.begin()->second;
  std::string key;
  std::size_t value_bytes = 0;
  std::vector<std::optional<Json>> keys;
  for (const QueryPath& path : query_.group_by) {
    const Json* value = find_query_path(path, row);
    key += (value ? query_key(*value) : kNoValue) + std::string("\n");
    value_bytes = key.size();
    keys.push_back(value ? std::optional(*value) : std::nullopt);
  }
  if (key.size() > kKeyBytes) {  // it is a place in continuations: long values stand there by their hash
    key = key.substr(0, kKeyBytes / 2) + "#" + std::to_string(stable_hash(key));
  }
  const auto known = groups_.find(key);
  if (known != groups_.end()) return &known->second;
  bytes_ += kGroupBytes * (1 + query_.items.size()) + 2 * value_bytes;
  if (groups_.size() >= limits::kQueryGroupsMax || bytes_ > limits::kQueryGroupBytesMax) {
    return too_many_groups();
  }
  Group& group = groups_[std::move(key)];
  group.keys = std::move(keys);
  group.sums.resize(query_.items.size());
  return &group;
}

Result<void> QueryAggregation::add(const Json& row) {
  const Result<Group*> group = group_of(row);
  if (!group) return group.error();
  for (std::size_t i = 0; i < query_.items.size(); ++i) {
    const QueryItem& item = query_.items[i];
    Sum& sum = (*group)->sums[i];
    ++sum.rows;
    if (item.aggregate == QueryAggregate::none || item.aggregate == QueryAggregate::count) continue;
    if (const Json* value = find_query_path(item.expression->path, row)) add_value(item, *value, sum);
  }
  if (bytes_ > limits::kQueryGroupBytesMax) return too_many_groups();
  return {};
}

void QueryAggregation::add_many(std::uint64_t count) {
  for (Sum& sum : groups_.begin()->second.sums) sum.rows += count;
}

void QueryAggregation::add_value(const QueryItem& item, const Json& value, Sum& sum) {
  if (item.aggregate == QueryAggregate::minimum || item.aggregate == QueryAggregate::maximum) {
    if (value.is_number()) keep_best(item, value, sum.number);
    if (value.is_string()) keep_best(item, value, sum.text);
    return;
  }
  if (!value.is_number()) return;
  ++sum.numbers;
  sum.sum += value.get<double>();
  sum.is_whole = sum.is_whole && value.is_number_integer() &&
                 !(value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) &&
                 !__builtin_add_overflow(sum.whole, value.get<std::int64_t>(), &sum.whole);
}

void QueryAggregation::keep_best(const QueryItem& item, const Json& value, std::optional<Json>& best) {
  const bool is_minimum = item.aggregate == QueryAggregate::minimum;
  if (best && !(is_minimum ? query_less(value, *best) : query_less(*best, value))) return;
  const auto held = [](const Json& json) {
    return json.is_string() ? json.get_ref<const std::string&>().size() : std::size_t{0};
  };
  if (best) bytes_ -= held(*best);
  bytes_ += held(value);
  best = value;
}

std::optional<Json> QueryAggregation::result(const QueryItem& item, const Sum& sum,
                                             const Group& group) const {
  switch (item.aggregate) {
    case QueryAggregate::none: {
      const auto path = std::find(query_.group_by.begin(), query_.group_by.end(), item.expression->path);
      return group.keys[static_cast<std::size_t>(path - query_.group_by.begin())];
    }
    case QueryAggregate::count:
      return Json(sum.rows);
    case QueryAggregate::sum:
    case QueryAggregate::average: {
      if (sum.numbers == 0) return std::nullopt;
      const bool is_sum = item.aggregate == QueryAggregate::sum;
      if (is_sum && sum.is_whole) return Json(sum.whole);
      const double total = sum.is_whole ? static_cast<double>(sum.whole) : sum.sum;
      const QueryValue value = query_number(is_sum ? total : total / static_cast<double>(sum.numbers));
      return value.json() ? std::optional(*value.json()) : std::nullopt;
    }
    case QueryAggregate::minimum:
    case QueryAggregate::maximum:
      return sum.number ? sum.number : sum.text;
  }
  return std::nullopt;
}

std::vector<QueryAggregation::Row> QueryAggregation::rows(const std::string& after, std::size_t limit) const {
  std::vector<Row> rows;
  for (auto at = groups_.upper_bound(after); at != groups_.end() && rows.size() < limit; ++at) {
    Row row{at->first, Json::object()};
    JsonMembers& members = members_of(row.row);
    for (std::size_t i = 0; i < query_.items.size(); ++i) {
      std::optional<Json> value = result(query_.items[i], at->second.sums[i], at->second);
      if (value) append_member(members, query_.items[i].name, std::move(*value));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace kyanite
