#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/query/query.h"
#include "protocol/query/query_expression_parser.h"
#include "protocol/query/query_resolve.h"

namespace kyanite {
namespace {

// Queries and conditions of spec service-rest.md 6.3.
class QueryParser : public QueryExpressionParser {
 public:
  using QueryExpressionParser::QueryExpressionParser;

  Result<Query> query() {
    Query query;
    expect_word("select");
    if (take_word("top")) query.top = number_of_rows();
    if (!take_symbol("*")) items(query.items);
    expect_word("from");
    source(query.source);
    if (take_word("where")) query.condition = expression();
    if (take_word("group")) {
      const std::size_t where = now().position;
      expect_word("by");
      do {
        query.group_by.push_back(path());
      } while (take_symbol(","));
      if (query.items.empty()) fail_at(where, "GROUP BY needs a list of paths and aggregates in SELECT");
    }
    finish();
    if (error()) return *error();
    resolve_query(query, alias_);
    if (const Result<void> checked = check_query(query, item_positions_); !checked) return checked.error();
    return query;
  }

  Result<QueryCondition> condition() {
    QueryCondition condition;
    bool bare = true;
    if (is_word("select")) fail("a condition is the part after WHERE, not a whole query");
    if (take_word("from")) {
      source(condition.source);
      bare = take_word("where");
    }
    if (condition.source == QuerySource::device_jobs) fail("a condition is about devices or modules");
    if (bare && !take_symbol("*")) condition.expression = expression();
    finish();
    if (error()) return *error();
    if (condition.expression) resolve_query_expression(*condition.expression, condition.source, alias_);
    return condition;
  }

 private:
  void finish() {
    take_symbol(";");
    if (now().kind != Kind::end) fail_unexpected("the end of the query");
  }

  std::uint64_t number_of_rows() {
    const bool good = now().kind == Kind::number && now().number.is_number_integer() &&
                      now().number.get<std::int64_t>() > 0;
    if (!good) {
      fail("TOP needs a whole number greater than zero");
      return 0;
    }
    const auto rows = now().number.get<std::uint64_t>();
    skip();
    return rows;
  }

  void items(std::vector<QueryItem>& items) {
    do {
      items.push_back(item());
    } while (take_symbol(","));
  }

  QueryItem item() {
    QueryItem item;
    item_positions_.push_back(now().position);
    item.aggregate = before_parenthesis() ? query_aggregate_named(now()) : QueryAggregate::none;
    if (item.aggregate != QueryAggregate::none) {
      skip();
      skip();
      if (item.aggregate == QueryAggregate::count) {
        if (now().kind == Kind::number && now().text == "1")
          skip();
        else
          take_symbol("*");
      } else {
        item.expression = path_node();
      }
      expect_symbol(")");
    } else {
      item.expression = expression();
    }
    const bool must = take_word("as");
    if (now().kind == Kind::quoted_word ||
        (now().kind == Kind::word && !is_reserved_query_word(now().text))) {
      item.name = now().text;
      skip();
    } else if (must) {
      fail_unexpected("a name");
    }
    return item;
  }

  void source(QuerySource& source) {
    const std::size_t where = now().position;
    bool known = take_word("devices");
    if (known && take_symbol(".")) {
      source = is_word("jobs") ? QuerySource::device_jobs : QuerySource::modules;
      known = take_word("modules") || take_word("jobs");
    }
    if (!known) return fail_at(where, "FROM knows devices, devices.modules and devices.jobs");
    const bool must = take_word("as");
    if (now().kind == Kind::word && !is_reserved_query_word(now().text)) {
      alias_ = now().text;
      skip();
    } else if (must) {
      fail_unexpected("a name");
    }
  }

  std::string alias_;
  std::vector<std::size_t> item_positions_;
};

void collect_paths(const QueryExpression& expression, std::vector<const QueryPath*>& into) {
  if (expression.op == QueryOperator::path) into.push_back(&expression.path);
  for (const QueryExpression& operand : expression.operands) collect_paths(operand, into);
}

}  // namespace

bool Query::aggregates() const {
  return !group_by.empty() || std::any_of(items.begin(), items.end(), [](const QueryItem& item) {
    return item.aggregate != QueryAggregate::none;
  });
}

Result<Query> parse_query(std::string_view text) {
  Result<std::vector<QueryToken>> tokens = tokenize_query(text);
  if (!tokens) return tokens.error();
  if (tokens->size() == 1) return query_error(1, "the query is empty");
  return QueryParser(std::move(*tokens)).query();
}

Result<QueryCondition> parse_condition(std::string_view text) {
  Result<std::vector<QueryToken>> tokens = tokenize_query(text);
  if (!tokens) return tokens.error();
  if (tokens->size() == 1) return query_error(1, "the condition is empty");
  return QueryParser(std::move(*tokens)).condition();
}

std::vector<const QueryPath*> paths_of(const QueryExpression& expression) {
  std::vector<const QueryPath*> paths;
  collect_paths(expression, paths);
  return paths;
}

std::vector<const QueryPath*> paths_of(const Query& query) {
  std::vector<const QueryPath*> paths;
  if (query.condition) collect_paths(*query.condition, paths);
  for (const QueryItem& item : query.items) {
    if (item.expression) collect_paths(*item.expression, paths);
  }
  for (const QueryPath& path : query.group_by) paths.push_back(&path);
  return paths;
}

}  // namespace kyanite
