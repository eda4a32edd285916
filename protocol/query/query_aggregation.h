#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/query/query.h"

namespace kyanite {

// Who is shown the rows of a walk over twins, each once. It may move between threads with the walk.
class RowSink {
 public:
  virtual ~RowSink() = default;
  // An error ends the walk.
  virtual Result<void> add(const Json& row) = 0;
};

// QueryAggregation adds up the rows that a query's WHERE let through, by group (spec service-rest.md 6.5).
//
// Owner: whoever runs the query; a value, it may move between threads. Bound: limits::kQueryGroupsMax groups
// and limits::kQueryGroupBytesMax bytes of what they hold.
class QueryAggregation final : public RowSink {
 public:
  // `query` aggregates and outlives this.
  explicit QueryAggregation(const Query& query);

  // Errors: Errc::argument_invalid when there are too many groups.
  Result<void> add(const Json& row) override;
  // The same for `count` rows of which nothing but their number matters; only for a query without groups
  // whose items all are COUNT.
  void add_many(std::uint64_t count);

  struct Row {
    std::string key;  // of the group; rows come in its order
    Json row;
  };
  // Groups with a key greater than `after`, in order, at most `limit`. Without GROUP BY there is one row,
  // with the key "*", even for no rows at all.
  std::vector<Row> rows(const std::string& after, std::size_t limit) const;

 private:
  struct Sum {
    std::uint64_t rows = 0;     // for COUNT
    std::uint64_t numbers = 0;  // that were added up
    std::int64_t whole = 0;     // as long as all were whole and fit
    bool is_whole = true;
    double sum = 0;
    std::optional<Json> number;  // the least or the greatest
    std::optional<Json> text;
  };
  struct Group {
    std::vector<std::optional<Json>> keys;  // as GROUP BY lists them
    std::vector<Sum> sums;                  // as SELECT lists its items
  };

  Result<Group*> group_of(const Json& row);
  void add_value(const QueryItem& item, const Json& value, Sum& sum);
  void keep_best(const QueryItem& item, const Json& value, std::optional<Json>& best);
  std::optional<Json> result(const QueryItem& item, const Sum& sum, const Group& group) const;

  const Query& query_;
  std::map<std::string, Group> groups_;
  std::size_t bytes_ = 0;
};

}  // namespace kyanite
