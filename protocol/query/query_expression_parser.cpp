#include "protocol/query/query_expression_parser.h"

#include <array>

#include "protocol/base/limits.h"
#include "protocol/query/query_functions.h"

namespace kyanite {
namespace {

struct NamedAggregate {
  const char* name;
  QueryAggregate aggregate;
};
constexpr std::array kAggregates{
    NamedAggregate{"count", QueryAggregate::count}, NamedAggregate{"avg", QueryAggregate::average},
    NamedAggregate{"sum", QueryAggregate::sum}, NamedAggregate{"min", QueryAggregate::minimum},
    NamedAggregate{"max", QueryAggregate::maximum}};

QueryExpression constant_of(Json value) {
  QueryExpression node;
  node.op = QueryOperator::constant;
  node.constant = std::move(value);
  return node;
}

}  // namespace

const QueryExpressionParser::BinaryOperator QueryExpressionParser::kComparisons[7]{
    {"=", QueryOperator::equal},
    {"!=", QueryOperator::not_equal},
    {"<>", QueryOperator::not_equal},
    {"<", QueryOperator::less},
    {"<=", QueryOperator::less_or_equal},
    {">", QueryOperator::greater},
    {">=", QueryOperator::greater_or_equal}};
const QueryExpressionParser::BinaryOperator QueryExpressionParser::kSums[2]{{"+", QueryOperator::add},
                                                                            {"-", QueryOperator::subtract}};
const QueryExpressionParser::BinaryOperator QueryExpressionParser::kProducts[3]{
    {"*", QueryOperator::multiply}, {"/", QueryOperator::divide}, {"%", QueryOperator::remainder}};

struct QueryExpressionParser::Level {
  explicit Level(QueryExpressionParser& parser) : parser_(parser) {
    if (++parser_.depth_ > limits::kQueryDepthMax) parser_.fail_too_deep();
  }
  ~Level() { --parser_.depth_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;
  QueryExpressionParser& parser_;
};

QueryAggregate query_aggregate_named(const QueryToken& token) {
  if (token.kind != QueryToken::Kind::word) return QueryAggregate::none;
  for (const NamedAggregate& row : kAggregates) {
    if (equals_ignoring_case(row.name, token.text)) return row.aggregate;
  }
  return QueryAggregate::none;
}

template <class Part>
QueryExpression QueryExpressionParser::chain(const char* word, QueryOperator op, const Part& part) {
  QueryExpression first = part();
  if (!is_word(word)) return first;
  std::vector<QueryExpression> operands;
  operands.push_back(std::move(first));
  while (take_word(word)) operands.push_back(part());
  return node(op, std::move(operands));
}

template <std::size_t N, class Part>
QueryExpression QueryExpressionParser::left_to_right(const BinaryOperator (&operators)[N], const Part& part) {
  QueryExpression left = part();
  for (bool more = true; more;) {
    more = false;
    for (const BinaryOperator& row : operators) {
      if (!take_symbol(row.symbol)) continue;
      left = node(row.op, std::move(left), part());
      more = true;
      break;
    }
  }
  return left;
}

QueryExpression QueryExpressionParser::node(QueryOperator op, std::vector<QueryExpression> operands) {
  QueryExpression made;
  made.op = op;
  for (const QueryExpression& operand : operands) made.height = std::max(made.height, operand.height + 1);
  made.operands = std::move(operands);
  if (made.height > limits::kQueryDepthMax) fail_too_deep();
  return made;
}

QueryExpression QueryExpressionParser::node(QueryOperator op, QueryExpression a, QueryExpression b) {
  std::vector<QueryExpression> operands;
  operands.push_back(std::move(a));
  operands.push_back(std::move(b));
  return node(op, std::move(operands));
}

QueryExpression QueryExpressionParser::node(QueryOperator op, QueryExpression a) {
  std::vector<QueryExpression> operands;
  operands.push_back(std::move(a));
  return node(op, std::move(operands));
}

QueryExpression QueryExpressionParser::expression() {
  const Level level(*this);
  return chain("or", QueryOperator::any_of,
               [this] { return chain("and", QueryOperator::all_of, [this] { return inverted(); }); });
}

QueryExpression QueryExpressionParser::inverted() {
  if (!take_word("not")) return comparison();
  const Level level(*this);
  return node(QueryOperator::negation, inverted());
}

QueryExpression QueryExpressionParser::comparison() {
  QueryExpression left = sum();
  for (const BinaryOperator& row : kComparisons) {
    if (take_symbol(row.symbol)) return node(row.op, std::move(left), sum());
  }
  if (take_word("in")) return listed(QueryOperator::in, std::move(left));
  if (take_word("nin")) return listed(QueryOperator::not_in, std::move(left));
  if (is_word("not") && next().kind == Kind::word && equals_ignoring_case(next().text, "in")) {
    skip();
    skip();
    return listed(QueryOperator::not_in, std::move(left));
  }
  return left;
}

QueryExpression QueryExpressionParser::listed(QueryOperator op, QueryExpression left) {
  return node(op, std::move(left), constant_of(list()));
}

QueryExpression QueryExpressionParser::sum() {
  return left_to_right(kSums, [this] { return product(); });
}

QueryExpression QueryExpressionParser::product() {
  return left_to_right(kProducts, [this] { return signed_value(); });
}

QueryExpression QueryExpressionParser::signed_value() {
  for (const BinaryOperator& row :
       {BinaryOperator{"-", QueryOperator::minus}, BinaryOperator{"+", QueryOperator::plus}}) {
    if (!take_symbol(row.symbol)) continue;
    const Level level(*this);
    return node(row.op, signed_value());
  }
  return primary();
}

QueryExpression QueryExpressionParser::primary() {
  if (is_symbol("[")) return constant_of(list());
  if (take_symbol("(")) {
    QueryExpression inner = expression();
    expect_symbol(")");
    return inner;
  }
  if (is_constant()) {
    if (take_word("undefined")) return QueryExpression();
    return constant_of(constant());
  }
  if (now().kind == Kind::word && before_parenthesis()) return function_call();
  return path_node();
}

QueryExpression QueryExpressionParser::function_call() {
  if (query_aggregate_named(now()) != QueryAggregate::none) {
    fail("COUNT, AVG, SUM, MIN and MAX stand alone in SELECT");
  }
  const std::size_t where = now().position;
  const std::optional<QuerySignature> signature = find_query_function(now().text);
  if (!signature) fail("there is no function of this name");
  skip();
  skip();
  std::vector<QueryExpression> arguments;
  if (!error() && !is_symbol(")")) {
    do {
      arguments.push_back(expression());
    } while (take_symbol(","));
  }
  expect_symbol(")");
  if (!signature) return QueryExpression();
  if (arguments.size() < signature->arguments_min || arguments.size() > signature->arguments_max) {
    fail_at(where, "the function takes another number of arguments");
    return QueryExpression();
  }
  QueryExpression call = node(QueryOperator::function, std::move(arguments));
  call.function = signature->function;
  return call;
}

bool QueryExpressionParser::is_constant() const {
  const Kind kind = now().kind;
  if (kind == Kind::number || kind == Kind::text) return true;
  if (kind != Kind::word || before_symbol(".")) return false;
  return is_word("true") || is_word("false") || is_word("null") || is_word("undefined");
}

Json QueryExpressionParser::constant() {
  const bool negative = take_symbol("-");
  if (!negative) take_symbol("+");
  Json value;
  if (now().kind == Kind::number) {
    value = now().number;
    if (negative && value.is_number_float())
      value = -value.get<double>();
    else if (negative)
      value = -value.get<std::int64_t>();
  } else if (negative) {
    fail_unexpected("a number");
  } else if (now().kind == Kind::text) {
    value = now().text;
  } else if (is_word("true") || is_word("false")) {
    value = is_word("true");
  } else if (!is_word("null")) {
    fail_unexpected("a constant");
  }
  skip();
  return value;
}

Json QueryExpressionParser::list() {
  const bool round = is_symbol("(");
  if (!round && !is_symbol("[")) fail_unexpected("a list of constants");
  skip();
  Json items = Json::array();
  if (!round && take_symbol("]")) return items;
  do {
    if (!take_word("undefined")) items.push_back(constant());
  } while (take_symbol(","));
  expect_symbol(round ? ")" : "]");
  return items;
}

QueryExpression QueryExpressionParser::path_node() {
  QueryExpression made;
  made.op = QueryOperator::path;
  made.path = path();
  return made;
}

QueryPath QueryExpressionParser::path() {
  QueryPath path;
  if (now().kind == Kind::word && is_reserved_query_word(now().text) && !before_symbol(".")) {
    fail_unexpected("a value");
  }
  segment(path);
  while (!error()) {
    if (take_symbol(".")) {
      segment(path);
    } else if (is_symbol("[")) {
      place(path);
    } else {
      break;
    }
  }
  return path;
}

void QueryExpressionParser::segment(QueryPath& path) {
  if (now().kind != Kind::word && now().kind != Kind::quoted_word) {
    return fail_unexpected(path.steps.empty() ? "a value" : "a name");
  }
  path.steps.emplace_back(now().text);
  skip();
}

void QueryExpressionParser::place(QueryPath& path) {
  skip();
  if (now().kind == Kind::text) {
    path.steps.emplace_back(now().text);
  } else if (now().kind == Kind::number && now().number.is_number_integer() &&
             now().number.get<std::int64_t>() >= 0) {
    path.steps.emplace_back(static_cast<std::size_t>(now().number.get<std::int64_t>()));
  } else {
    fail_unexpected("a place in an array or a name in quotes");
  }
  skip();
  expect_symbol("]");
}

}  // namespace kyanite
