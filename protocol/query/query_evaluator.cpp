#include "protocol/query/query_evaluator.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "protocol/query/query_functions.h"

namespace kyanite {
namespace {

bool is_undefined(const QueryExpression& expression) { return expression.op == QueryOperator::undefined; }

bool compare_values(QueryOperator op, const Json& a, const Json& b) {
  switch (op) {
    case QueryOperator::equal:
      return same_query_value(a, b);
    case QueryOperator::not_equal:
      return !same_query_value(a, b);
    case QueryOperator::less:
      return query_less(a, b);
    case QueryOperator::greater:
      return query_less(b, a);
    case QueryOperator::less_or_equal:
      return query_less(a, b) ||
             (a.is_primitive() && same_query_value(a, b) && !a.is_boolean() && !a.is_null());
    default:
      return query_less(b, a) ||
             (a.is_primitive() && same_query_value(a, b) && !a.is_boolean() && !a.is_null());
  }
}

// With an undefined side the result is false, but for `undefined` written out, which asks for existence.
bool compare_sides(const QueryExpression& node, const Json& row) {
  const QueryExpression& left = node.operands[0];
  const QueryExpression& right = node.operands[1];
  const QueryValue a = evaluate(left, row);
  const QueryValue b = evaluate(right, row);
  if (is_undefined(left) || is_undefined(right)) {
    const bool both = !a.json() && !b.json();
    if (node.op == QueryOperator::equal) return both;
    return node.op == QueryOperator::not_equal && !both;
  }
  return a.json() && b.json() && compare_values(node.op, *a.json(), *b.json());
}

bool is_member(const QueryExpression& node, const Json& row) {
  const QueryValue value = evaluate(node.operands[0], row);
  if (!value.json()) return false;
  const Json& list = node.operands[1].constant;
  const bool found = std::any_of(list.begin(), list.end(),
                                 [&](const Json& item) { return same_query_value(*value.json(), item); });
  return found == (node.op == QueryOperator::in);
}

QueryValue calculate_whole(QueryOperator op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  const bool overflows = op == QueryOperator::add        ? __builtin_add_overflow(a, b, &result)
                         : op == QueryOperator::subtract ? __builtin_sub_overflow(a, b, &result)
                                                         : __builtin_mul_overflow(a, b, &result);
  return overflows ? QueryValue() : QueryValue(Json(result));
}

QueryValue calculate(QueryOperator op, const Json& a, const Json& b) {
  const bool keeps_whole =
      op == QueryOperator::add || op == QueryOperator::subtract || op == QueryOperator::multiply;
  if (keeps_whole && a.is_number_integer() && b.is_number_integer() &&
      !(a.is_number_unsigned() && a.get<std::uint64_t>() > INT64_MAX) &&
      !(b.is_number_unsigned() && b.get<std::uint64_t>() > INT64_MAX)) {
    QueryValue whole = calculate_whole(op, a.get<std::int64_t>(), b.get<std::int64_t>());
    if (whole.json()) return whole;
  }
  const auto x = a.get<double>();
  const auto y = b.get<double>();
  switch (op) {
    case QueryOperator::add:
      return query_number(x + y);
    case QueryOperator::subtract:
      return query_number(x - y);
    case QueryOperator::multiply:
      return query_number(x * y);
    case QueryOperator::divide:
      return query_number(x / y);
    default:
      return query_number(std::fmod(x, y));
  }
}

QueryValue arithmetic(const QueryExpression& node, const Json& row) {
  const QueryValue a = evaluate(node.operands[0], row);
  if (!a.json() || !a.json()->is_number()) return {};
  if (node.op == QueryOperator::plus) return *a.json();
  if (node.op == QueryOperator::minus) return calculate(QueryOperator::subtract, Json(0), *a.json());
  const QueryValue b = evaluate(node.operands[1], row);
  if (!b.json() || !b.json()->is_number()) return {};
  return calculate(node.op, *a.json(), *b.json());
}

QueryValue call(const QueryExpression& node, const Json& row) {
  std::vector<QueryValue> arguments;
  arguments.reserve(node.operands.size());
  for (const QueryExpression& operand : node.operands) arguments.push_back(evaluate(operand, row));
  return call_query_function(node.function, arguments);
}

}  // namespace

const Json* find_query_path(const QueryPath& path, const Json& row) {
  const Json* at = &row;
  for (const QueryPath::Step& step : path.steps) {
    if (const auto* name = std::get_if<std::string>(&step)) {
      if (!at->is_object()) return nullptr;
      const auto member = at->find(*name);
      if (member == at->end()) return nullptr;
      at = &*member;
    } else {
      const std::size_t place = std::get<std::size_t>(step);
      if (!at->is_array() || place >= at->size()) return nullptr;
      at = &(*at)[place];
    }
  }
  return at;
}

QueryValue evaluate(const QueryExpression& node, const Json& row) {
  switch (node.op) {
    case QueryOperator::constant:
      return QueryValue::seen(node.constant);
    case QueryOperator::undefined:
      return {};
    case QueryOperator::path: {
      const Json* found = find_query_path(node.path, row);
      return found ? QueryValue::seen(*found) : QueryValue();
    }
    case QueryOperator::function:
      return call(node, row);
    case QueryOperator::any_of:
      return Json(std::any_of(node.operands.begin(), node.operands.end(),
                              [&row](const QueryExpression& o) { return matches(o, row); }));
    case QueryOperator::all_of:
      return Json(std::all_of(node.operands.begin(), node.operands.end(),
                              [&row](const QueryExpression& o) { return matches(o, row); }));
    case QueryOperator::negation:
      return Json(!matches(node.operands[0], row));
    case QueryOperator::equal:
    case QueryOperator::not_equal:
    case QueryOperator::less:
    case QueryOperator::less_or_equal:
    case QueryOperator::greater:
    case QueryOperator::greater_or_equal:
      return Json(compare_sides(node, row));
    case QueryOperator::in:
    case QueryOperator::not_in:
      return Json(is_member(node, row));
    case QueryOperator::add:
    case QueryOperator::subtract:
    case QueryOperator::multiply:
    case QueryOperator::divide:
    case QueryOperator::remainder:
    case QueryOperator::minus:
    case QueryOperator::plus:
      return arithmetic(node, row);
  }
  return {};
}

bool matches(const QueryExpression& condition, const Json& row) { return evaluate(condition, row).is_true(); }

bool matches(const QueryCondition& condition, const Json& row) {
  return !condition.expression || matches(*condition.expression, row);
}

bool matches(const Query& query, const Json& row) {
  return !query.condition || matches(*query.condition, row);
}

Json project(const Query& query, const Json& row) {
  if (query.selects_everything()) return row;
  Json projected = Json::object();
  JsonMembers& members = members_of(projected);
  for (const QueryItem& item : query.items) {
    const QueryValue value = item.expression ? evaluate(*item.expression, row) : QueryValue();
    if (value.json()) append_member(members, item.name, *value.json());
  }
  return projected;
}

}  // namespace kyanite
