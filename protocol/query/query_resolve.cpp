#include "protocol/query/query_resolve.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "protocol/query/query_lexer.h"
#include "protocol/query/query_names.h"

namespace kyanite {
namespace {

template <class Visit>
void each_path(QueryExpression& expression, const Visit& visit) {
  if (expression.op == QueryOperator::path) visit(expression.path);
  for (QueryExpression& operand : expression.operands) each_path(operand, visit);
}

void resolve_path(QueryPath& path, QuerySource source, std::string_view alias) {
  resolve_query_path(path, source, alias);
  store_query_path(path, source);
}

void spell_time(Json& constant) {
  if (!constant.is_string()) return;
  if (auto time = canonical_query_time(constant.get_ref<const std::string&>())) constant = std::move(*time);
}

// A time compared with one of the hub's is brought into the form in which the hub writes them.
void spell_times(QueryExpression& expression) {
  for (QueryExpression& operand : expression.operands) spell_times(operand);
  if (expression.operands.size() != 2) return;
  for (const std::size_t side : {0U, 1U}) {
    const QueryExpression& value = expression.operands[side];
    QueryExpression& other = expression.operands[1 - side];
    if (value.op != QueryOperator::path || other.op != QueryOperator::constant ||
        !is_system_time(value.path)) {
      continue;
    }
    if (expression.op == QueryOperator::function) continue;
    if (other.constant.is_array()) {
      for (Json& item : other.constant) spell_time(item);
    } else {
      spell_time(other.constant);
    }
  }
}

}  // namespace

void resolve_query(Query& query, std::string_view alias) {
  std::size_t unnamed = 0;
  for (QueryItem& item : query.items) {
    const bool is_path = item.expression && item.expression->op == QueryOperator::path;
    if (is_path) resolve_query_path(item.expression->path, query.source, alias);
    if (item.name.empty()) {
      std::optional<std::string> name;
      if (is_path && item.aggregate == QueryAggregate::none) name = query_path_name(item.expression->path);
      item.name = name ? *name : "$" + std::to_string(++unnamed);
    }
    if (is_path) {
      store_query_path(item.expression->path, query.source);
    } else if (item.expression) {
      resolve_query_expression(*item.expression, query.source, alias);
    }
  }
  if (query.condition) resolve_query_expression(*query.condition, query.source, alias);
  for (QueryPath& path : query.group_by) resolve_path(path, query.source, alias);
}

void resolve_query_expression(QueryExpression& expression, QuerySource source, std::string_view alias) {
  each_path(expression, [&](QueryPath& path) { resolve_path(path, source, alias); });
  spell_times(expression);
}

Result<void> check_query(const Query& query, const std::vector<std::size_t>& item_positions) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < query.items.size(); ++i) {
    if (!names.insert(query.items[i].name).second) {
      return query_error(item_positions[i], "two values of SELECT have one name, give them an alias");
    }
  }
  if (query.source == QuerySource::device_jobs && !query.selects_everything()) {
    return query_error(item_positions.front(), "of devices.jobs only SELECT * is possible");
  }
  if (!query.aggregates()) return {};
  for (std::size_t i = 0; i < query.items.size(); ++i) {
    const QueryItem& item = query.items[i];
    if (item.aggregate != QueryAggregate::none) continue;
    const bool is_grouped = item.expression->op == QueryOperator::path &&
                            std::find(query.group_by.begin(), query.group_by.end(), item.expression->path) !=
                                query.group_by.end();
    if (!is_grouped) {
      return query_error(item_positions[i],
                         "beside aggregates SELECT may hold only the paths that GROUP BY names");
    }
  }
  return {};
}

}  // namespace kyanite
